"""jupyter-ml as built: its packages import and work on a machine without a GPU, and what needs one says so.

Needs an image that was built before, `./noxw -s build-image -- jupyter-ml` (4.3 GB to fetch, 3.6 GB of image, and 10 GB
to unpack): `dist/images/jupyter-ml`, or the folder that JUPYTER_ML_LAYOUT names.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from env.platforms import AMD64
from env.store.store import Store
from images.check.bubblewrap import bubblewrap
from images.check.sandbox import Sandbox
from images.oci.read import read_layout
from images.oci.unpack import unpack
from images.rootfs.bytecode import host

from .conftest import REPOSITORY

LAYOUT = Path(os.environ.get("JUPYTER_ML_LAYOUT") or REPOSITORY / "dist" / "images" / "jupyter-ml")
IMPORT_S = 600
DRIVER = shutil.which("nvidia-smi")

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(host() != AMD64, reason="jupyter-ml is for amd64"),
    pytest.mark.skipif(not LAYOUT.is_dir(), reason="needs the image jupyter-ml: ./noxw -s build-image -- jupyter-ml"),
]


@pytest.fixture(scope="module")
def image() -> Iterator[Sandbox]:
    built = read_layout(LAYOUT)[AMD64]
    place = Path(tempfile.mkdtemp(prefix="ml-", dir="/var/tmp"))
    try:
        root = place / "root"
        root.mkdir()
        unpack(built, root)
        sandbox = Sandbox(root, AMD64, built.config["config"], None, bubblewrap(Store(), Console(stderr=True)))
        sandbox.probe()
        yield sandbox
    finally:
        shutil.rmtree(place)


@pytest.mark.parametrize(
    "code",
    [
        "import torch; assert (torch.ones(2, 2) @ torch.ones(2, 2)).sum() == 8",
        "import accelerate, transformers",
        "from peft import LoraConfig, get_peft_model",
        "from trl import SFTTrainer",
        "from vllm import LLM, SamplingParams",
        "from unsloth import FastLanguageModel",
    ],
)
def test_a_package_imports_without_a_gpu(image: Sandbox, code: str) -> None:
    done = image.run(["python", "-c", code], IMPORT_S)
    assert done.returncode == 0, done.stderr


TRAIN = """
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
model = get_peft_model(LlamaForCausalLM(LlamaConfig(vocab_size=64, **shape)), LoraConfig(task_type="CAUSAL_LM"))
optimizer = torch.optim.AdamW((one for one in model.parameters() if one.requires_grad), lr=0.05)
tokens = torch.arange(64).reshape(2, 32)
losses = []
for _ in range(20):
    loss = model(input_ids=tokens, labels=tokens).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    losses.append(loss.item())
assert losses[-1] < losses[0], losses
print("learned")
"""


def test_a_small_model_is_trained_on_the_cpu(image: Sandbox) -> None:
    done = image.run(["python", "-c", TRAIN], IMPORT_S)
    assert done.stdout.endswith("learned\n"), done.stderr


@pytest.mark.skipif(DRIVER is not None, reason="NVIDIA's driver is here")
def test_vllms_kernels_want_nvidias_driver_and_say_so(image: Sandbox) -> None:
    done = image.run(["python", "-c", "import vllm._C"], IMPORT_S)
    assert done.returncode == 1
    assert "ImportError: libcuda.so.1: cannot open shared object file" in done.stderr
