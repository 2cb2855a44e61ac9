"""What a person sees at the first start: JupyterLab with the starter notebooks, which open, run and show their plots.

Pictures of it are left in `artifacts/screenshots/`, to be looked at.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest
from playwright.async_api import Error, Page, async_playwright

from tests.images.conftest import REPOSITORY
from tests.live.browser import CHROMIUM, FLAGS
from tests.live.test_browser import colours
from tests.support.needs import needs

from .container import Running
from .test_work import REPORT, TEMPLATES

SHOTS = REPOSITORY / "artifacts" / "screenshots"
SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden)"
ENDED = r"""count => [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-InputPrompt')]
    .filter(one => /^\[\d+\]:$/.test(one.textContent.trim())).length >= count"""


async def picture(page: Page, name: str) -> bytes:
    SHOTS.mkdir(parents=True, exist_ok=True)
    # Fonts, animations and the collapsing of notifications: nothing in the page says that they are done.
    await page.wait_for_timeout(1500)
    shot = await page.screenshot(path=SHOTS / f"{name}.png")
    assert colours(shot) > 32
    return shot


async def run_all(page: Page, name: str, cells: int) -> None:
    """Open a notebook by its name in the file browser, run it, and wait for its last code cell to have ended."""
    await page.locator(".jp-DirListing-item", has_text=name).dblclick()
    await page.locator(f"{SHOWN} .jp-MarkdownOutput h1").first.wait_for()
    # JupyterLab runs nothing, and says nothing, while the notebook has no kernel yet.
    await page.locator("#jp-main-statusbar", has_text=re.compile(rf"\| Idle.*{re.escape(name)}")).wait_for()
    await page.get_by_role("menuitem", name="Run", exact=True).click()
    await page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    try:
        await page.wait_for_function(ENDED, arg=cells)
    except Error as error:
        prompts = await page.locator(f"{SHOWN} .jp-InputPrompt").all_text_contents()
        status = await page.locator("#jp-main-statusbar").text_content()
        raise AssertionError(f"{name}: the cells' prompts are {prompts}, the status bar says {status!r}") from error


async def nothing_is_in_the_way(page: Page) -> None:
    assert await page.locator(".jp-Dialog").count() == 0
    assert await page.locator(".Toastify__toast").count() == 0
    assert await page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0


@needs("chromium")
@pytest.mark.slow
def test_the_first_start_shows_notebooks_that_open_and_run(first_start: Running) -> None:
    container = first_start.container
    shutil.rmtree(SHOTS, ignore_errors=True)

    async def look() -> None:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = await browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(240_000)
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            await page.goto(f"{container.url}/?token={container.token}")
            await page.locator(f"{SHOWN} .jp-MarkdownOutput h1", has_text="Getting started").wait_for()
            await picture(page, "0-first-page")
            await page.locator('.lm-TabBar-addButton[title="New Launcher"]').click()
            await page.locator(".jp-LauncherCard").first.wait_for()
            names = page.locator(".jp-DirListing-itemText")
            await names.first.wait_for()
            assert sorted(await names.all_text_contents()) == list(TEMPLATES)
            kernels = await page.locator(".jp-LauncherCard[data-category='Notebook']").all_text_contents()
            assert [name.strip() for name in kernels] == ["Python 3 (ipykernel)"]
            await nothing_is_in_the_way(page)
            await picture(page, "1-launcher")

            await run_all(page, "getting-started.ipynb", 3)
            await page.get_by_text("An agent greets").first.wait_for()
            assert await page.get_by_text("Hello, world!").count() == 1
            await nothing_is_in_the_way(page)
            await picture(page, "2-getting-started")

            await run_all(page, "data-tour.ipynb", 6)
            plot = page.locator(f"{SHOWN} .jp-RenderedImage img")
            await plot.wait_for()
            assert await plot.evaluate("image => image.complete && image.naturalWidth > 500")
            await plot.scroll_into_view_if_needed()
            await nothing_is_in_the_way(page)
            await picture(page, "3-plot")
            await page.locator(f"{SHOWN} .jp-MarkdownOutput h1").scroll_into_view_if_needed()
            await picture(page, "4-data-tour")
            touch = page.locator(f"{SHOWN} .js-plotly-plot .main-svg").first
            await touch.scroll_into_view_if_needed()
            await picture(page, "5-plotly")
            await run_all(page, "agent-playbook.ipynb", 4)
            seen = page.locator(f"{SHOWN} .jp-RenderedImage img").last
            await seen.scroll_into_view_if_needed()
            assert await seen.evaluate("image => image.complete && image.naturalWidth > 500")
            await nothing_is_in_the_way(page)
            await picture(page, "6-agent-playbook")
            assert errors == []
            await browser.close()

    asyncio.run(look())
    (container.workspace / REPORT).unlink()
    assert Path(SHOTS / "3-plot.png").stat().st_size > 20_000
