"""The Jupyter Server extension: settings, the handler, start and stop."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any, cast

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from jupyter_server_ydoc.app import YDocExtension  # type: ignore[import-untyped]
from pycrdt.store import BaseYStore
from traitlets import Bool, Dict, Enum, Float, Int, List, Unicode
from traitlets import Union as TraitUnion

from . import logs, metrics, telemetry
from .errors import why
from .garbage import tune
from .heap import Heap
from .kernels.cell_states import CellStates
from .kernels.execution import Execution
from .kernels.kernel_control import KernelControl
from .kernels.kernels import Kernels
from .kernels.runs import Runs
from .kernels.sessions import known_from_the_start, one_for_each_path
from .mcp_server import http_app, mcp_server
from .notebooks.cells import Cells
from .notebooks.notebooks import Notebooks
from .notebooks.running import Running
from .notebooks.undoing import Undoing
from .probe import Part, missing, out_of_bounds, warning, why_off, works
from .rooms import notebook_size
from .rooms.batched_store import batched
from .rooms.closed_room import send_round
from .rooms.loaders import guard
from .rooms.opening import forget_stopped
from .rooms.recoveries import Recoveries
from .rooms.renames import follow_renames
from .rooms.shutdown import workers_end
from .rooms.ydoc_private import use_store
from .rtc_adapter import NO_ROOMS, Rooms
from .steering import people_api, runs_api
from .steering.activity import SCHEMAS
from .steering.audit import AuditLog
from .steering.audit_file import AuditFile
from .steering.gate import Gate
from .steering.limits import Limits
from .steering.people_review_api import review_handlers
from .steering.people_undo_api import undo_handlers
from .steering.steering import MODES, REVIEWS, Files, Steering
from .steering.steering_file import SteeringFile
from .stop_signal import take_between_callbacks
from .tornado_asgi import MCPHandler
from .transport.endpoint import Endpoint
from .transport.oauth_probes import PATHS, NoOAuth
from .warmup import warm_up

SWEEP_EVERY = 5.0  # seconds
AUDIT_WITHIN = 3.0  # seconds that the stop waits for the audit log's last lines
RECOVERED_WITHIN = 2.0  # seconds that the start waits for what a crash left


class JupyterMCP(ExtensionApp):
    """Serves MCP at `{base_url}mcp` on the server's own port and with its authentication."""

    name = "jupyter_mcp"
    app_name = "Jupyter MCP"
    description = "Live notebooks for agents, over MCP"
    load_other_extensions = True

    allow_unauthenticated = Bool(
        False,
        config=True,
        help="Serve MCP also when the server has no token and no password. Anyone who reaches the "
        "port can then run code.",
    )
    max_body_bytes = Int(16 << 20, config=True, help="The largest request body, in bytes.")
    body_timeout = Float(60, config=True, help="Seconds a request's body may take to arrive.")
    max_streams = Int(
        256,
        config=True,
        help="The most requests that run at the same time; event streams of sessions, and bodies on their way, are "
        "counted apart, up to as many.",
    )
    max_sessions = Int(1000, config=True, help="The most MCP sessions; one more ends the one that was idle longest.")
    max_user_sessions = Int(
        0,
        min=0,
        config=True,
        help="The most MCP sessions of one user (a credential); one more ends the user's own that was idle longest. "
        "0: no limit but `max_sessions`.",
    )
    user_calls_per_minute = Int(
        0,
        min=0,
        config=True,
        help="The most calls of tools that one user's agents make in a minute; what is refused says when to try again. "
        "0: no limit.",
    )
    agent_calls_per_minute = Int(0, min=0, config=True, help="The same for each of a user's agents. 0: no limit.")
    max_user_runs = Int(
        0,
        min=0,
        config=True,
        help="The most runs of one user's agents that wait or go on. 0: no limit but the server's.",
    )
    max_agent_runs = Int(0, min=0, config=True, help="The same for each of a user's agents. 0: no limit.")
    max_user_rooms = Int(
        0,
        min=0,
        config=True,
        help="The most rooms that one user's agents have opened, that are still open and have no person in them. 0: no "
        "limit.",
    )
    max_watchers = Int(128, config=True, help="The most watch_notebook calls at the same time.")
    max_notebook_bytes = Int(
        notebook_size.MOST_BYTES,
        config=True,
        help="Larger notebooks are not opened, by people's tabs either: reading one takes several times its size of "
        "memory. 0: no limit.",
    )
    max_output_bytes = Int(8 << 20, config=True, help="The most output one run keeps, in bytes.")
    max_output_messages = Int(20_000, config=True, help="The most output messages one run keeps.")
    execution_timeout = Float(
        None,
        allow_none=True,
        config=True,
        help="Seconds a cell may run when the call gives no timeout. None: no limit.",
    )
    call_timeout = Float(
        50,
        allow_none=True,
        config=True,
        help="Seconds after which a call that runs a cell answers with what there is, and the cell goes on: many MCP "
        "clients give a call 60. None: when the cell is done.",
    )
    kernel_ready_timeout = Float(300, config=True, help="Seconds a new kernel may take to answer.")
    max_kernels = Int(
        20, config=True, help="The most kernels that agents have started, that still run and have no page open."
    )
    kernel_idle_timeout = Float(
        3600,
        config=True,
        help="Seconds until an idle kernel that an agent started is shut down. One with a page open stays, and so does "
        "one on which a person ran something. 0: never.",
    )
    interrupt_grace = Float(10, config=True, help="Seconds an interrupted cell may take to end.")
    typing_grace = Float(
        30,
        config=True,
        help="Seconds since a person last typed, or moved the caret, in a cell during which agents may not update or "
        "delete it unless they pass `over_person`. 0: they always may.",
    )
    agents_mode = Enum(
        MODES,
        "run",
        config=True,
        help="What agents may do: run (everything), ask (a person, before they run or delete), propose (changes too, "
        "which a person accepts), read-only, or paused (nothing). People can hold them back further, not let them go "
        "further.",
    )
    review_mode = Enum(
        REVIEWS,
        "auto",
        config=True,
        help="Whether agents ask a person in JupyterLab before they run or delete something (ask), or show each change "
        "of a notebook first too (propose), where no person has decided: a person's `resume` lets them go, for a "
        "notebook, an agent or all.",
    )
    agent_modes = Dict(
        key_trait=Unicode(),
        value_trait=Enum(MODES),
        config=True,
        help="The same for agents by the name that their client gives, e.g. {'claude-code': 'read-only'}.",
    )
    notebook_modes = Dict(
        key_trait=Unicode(),
        value_trait=Enum(MODES),
        config=True,
        help="The same for notebooks by patterns of their paths (* is also for /), e.g. {'exams/*': 'paused'}.",
    )
    audit_log = Unicode(
        "",
        config=True,
        help="A file to which each call of an agent that changes or runs something adds lines of JSON: who, what and "
        "where. Its owner alone can read it. Empty: none is written.",
    )
    audit_log_bytes = Int(
        10 << 20, config=True, help="The size at which the audit log is put aside and begun anew. 0: never."
    )
    audit_log_kept = Int(5, config=True, help="How many audit logs that were put aside are kept, as `….1`, `….2`.")
    audit_log_sources = Bool(
        False,
        config=True,
        help="Write the texts of cells and of code into the audit log too, without the server's token.",
    )
    room_idle_timeout = Float(600, config=True, help="Seconds until a room that only agents used is saved and closed.")
    history_kept = Float(
        86_400,
        config=True,
        help="Seconds of a notebook's history that its room's SQLite store keeps; what is older becomes one update, "
        "without what was deleted. 0: all.",
    )
    journal_dir = Unicode(
        "",
        config=True,
        help="Folder of the edit journals. Default: a folder in Jupyter's data directory.",
    )
    journal_fsync = Bool(False, config=True, help="Also survive power loss: fsync each edit before the reply.")

    tools = TraitUnion(
        [Unicode(), List(Unicode())],
        default_value="all",
        config=True,
        help="The tools that are offered: 'all', 'thirteen' (the first ones, for small models), 'readers' (those that "
        "change nothing), or names, with commas or in a list.",
    )

    gc_freeze = Bool(
        True,
        config=True,
        help="Take what the server loaded at its start out of the garbage collector's sight (gc.freeze). It is "
        "never garbage, and full collections would go through it again and again.",
    )
    gc_threshold = Int(
        10_000,
        config=True,
        help="Objects that are made before the garbage collector looks at the young ones (gc.set_threshold). Python's "
        "own, 700 or 2000, are fewer than the calls of some agents have in flight. 0: leave Python's.",
    )

    # None until the handlers are made: a server also stops an extension that failed to load.
    _endpoint: Endpoint | None = None
    _rooms: Rooms
    _execution: Execution
    _audit: AuditLog | None = None
    _sweeper: asyncio.Task[None] | None = None

    @property
    def _server(self) -> ServerApp:
        return cast("ServerApp", self.serverapp)  # linked by the loader before anything else is called

    def _journals(self) -> Path:
        folder = Path(self.journal_dir).expanduser() if self.journal_dir else Path(jupyter_data_dir(), "jupyter_mcp")
        # One for all roots: a notebook is known by its file, however the server reaches it.
        return folder / "journal"

    def initialize_handlers(self) -> None:
        """Put the endpoint below the server's base URL."""
        self._tidy_token()
        self._look_at_what_is_installed()
        metrics.publish()
        if untold := telemetry.export():
            self.log.warning("No spans are sent: %s", untold)
        settings = self._server.web_app.settings
        self._rooms = Rooms(
            settings,
            self._journals(),
            self.log,
            fsync=self.journal_fsync,
            idle=self.room_idle_timeout,
        )
        if not works(Part.ROOMS):
            self._rooms.switch_off(why_off(Part.ROOMS))
        if works(Part.ONE_SESSION):
            one_for_each_path(settings["session_manager"])
        if hasattr(settings["kernel_manager"], "pre_start_kernel"):  # kernels behind a gateway have none
            known_from_the_start(settings["kernel_manager"])
        kernels = Kernels(
            settings,
            self.log,
            ready_timeout=self.kernel_ready_timeout,
            max_kernels=self.max_kernels,
            idle_timeout=self.kernel_idle_timeout,
        )
        self._execution = Execution(kernels, Runs(self.log), grace=self.interrupt_grace)
        cells = Cells(typing_grace=self.typing_grace)
        notebook_size.limit(self.max_notebook_bytes)
        running = Running(
            cells,
            self._execution,
            max_output_bytes=self.max_output_bytes,
            max_output_messages=self.max_output_messages,
            execution_timeout=self.execution_timeout,
        )
        states = CellStates(self._execution.runs, kernels)
        notebooks = Notebooks(settings, self._rooms, cells, max_watchers=self.max_watchers, states=states)
        control = KernelControl(settings, self._execution, within=self.call_timeout)
        gate = self._make_gate(notebooks.root)
        undoing = Undoing(notebooks, cells, self._execution.runs)
        tools = mcp_server(
            notebooks, running, control, gate=gate, undoing=undoing, call_timeout=self.call_timeout, toolset=self.tools
        )
        app, lifespan = http_app(
            tools.server,
            max_body_bytes=self.max_body_bytes,
            max_sessions=self.max_sessions,
            max_user_sessions=self.max_user_sessions,
        )
        self._endpoint = Endpoint(
            app,
            lifespan,
            self.log,
            max_body_bytes=self.max_body_bytes,
            max_streams=self.max_streams,
            allow_unauthenticated=self.allow_unauthenticated,
            body_timeout=self.body_timeout,
        )
        # The ExtensionApp adds the base URL itself.
        self.handlers.extend(
            [(r"/mcp/?", MCPHandler, {"endpoint": self._endpoint}), *people_api.handlers(gate, undoing)]
        )
        self.handlers.extend([*undo_handlers(gate, undoing), *review_handlers(gate, undoing)])
        self.handlers.extend(runs_api.handlers(self._execution.runs))
        self.handlers.extend((path, NoOAuth) for path in PATHS)
        if self._server.base_url != "/":
            # Clients also look at the top of the host, which is ours if nobody stands before us.
            cast("Any", self._server.web_app).add_handlers(".*$", [(path, NoOAuth) for path in PATHS])

    def _make_gate(self, root: str | None) -> Gate:
        """Return the gate in front of the tools, with what people decided before a restart."""
        logger: Any = self._server.event_logger
        for schema in sorted(SCHEMAS.glob("*.yaml")):
            logger.register_event_schema(schema)
        # One for each root: its paths are below it.
        name = (
            hashlib.sha256(os.path.realpath(root).encode("utf-8", "surrogateescape")).hexdigest() if root else "remote"
        )
        steering = Steering(
            SteeringFile(self._journals().parent / f"agents-{name[:16]}.json"),
            Files(self._server.web_app.settings.get("file_id_manager"), root),
            mode=self.agents_mode,
            agents=self.agent_modes,
            notebooks=self.notebook_modes,
            review=self.review_mode,
        )
        self._audit = self._make_audit()
        if steering.fault:
            self.log.error("All agents are paused until somebody resumes them: %s", steering.fault)
        return Gate(
            steering,
            self._rooms.presences,
            lambda schema, data: logger.emit(schema_id=schema, data=data),
            self.log,
            self._audit,
            Limits(
                self.user_calls_per_minute,
                self.agent_calls_per_minute,
                self.max_user_runs,
                self.max_agent_runs,
                self.max_user_rooms,
            ),
        )

    def _make_audit(self) -> AuditLog | None:
        """Return the audit log, if one is asked for."""
        if not self.audit_log:
            return None
        path = Path(self.audit_log).expanduser().absolute()
        audit = AuditLog(
            AuditFile(path, largest=self.audit_log_bytes, kept=self.audit_log_kept),
            self.log,
            sources=self.audit_log_sources,
            secret=lambda: getattr(self._server.identity_provider, "token", "") or "",
        )
        audit.start()
        return audit

    def _look_at_what_is_installed(self) -> None:
        """Tell in one line what lacks, and in another which versions this release was not tried with."""
        if lacking := warning(missing()):
            self.log.warning("MCP goes without what the installed packages lack: %s", lacking)
        if untried := out_of_bounds():
            self.log.warning("MCP was not tried with what is installed: %s", ", ".join(untried))

    def _tidy_token(self) -> None:
        """Drop the newline at the end of JUPYTER_TOKEN_FILE: jupyter-server 2.21 takes it for a part of the token."""
        provider = self._server.identity_provider
        token = getattr(provider, "token", None)
        if "JUPYTER_TOKEN_FILE" in os.environ and isinstance(token, str) and token != token.strip():
            provider.token = token.strip()

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        take_between_callbacks()
        logs.into(self.log)
        if self._rooms.available:
            try:
                recoveries = self._prepare_collaboration()
            except Exception as error:  # boundary: of any release, or one that failed to start
                self.log.exception("MCP can't use jupyter-collaboration: %s", Part.ROOMS.value)
                self._rooms.switch_off(f"jupyter-collaboration can't be used ({why(error)}); ask this server's owner.")
            else:
                # The loop is held on purpose, shortly: what is long goes on beside it, those notebooks' rooms wait.
                recoveries.begin(RECOVERED_WITHIN)
        elif works(Part.ROOMS):
            self.log.warning("MCP: %s Notebooks can be read from their files, and created; nothing else.", NO_ROOMS)
        await cast("Endpoint", self._endpoint).start()
        self._sweeper = asyncio.create_task(self._sweep())
        if not serverapp.identity_provider.auth_enabled:
            self.log.warning(
                "This server has no authentication: MCP is %s.",
                "open to anyone" if self.allow_unauthenticated else "switched off",
            )
        tune(freeze=self.gc_freeze, threshold=self.gc_threshold)
        url = url_path_join(serverapp.connection_url, "mcp")
        self.log.info("MCP is served at %s", url)
        warm_up()

    def _prepare_collaboration(self) -> Recoveries:
        """Make every room, browsers' too, safe to share: its store, its side of the file, its end."""
        extension = self._rooms.extension
        store = batched(extension.ystore_class, extension.config, kept=self.history_kept)
        if not use_store(extension, self._server.web_app, store):
            self.log.warning("MCP: rooms that a page opens first keep their history as jupyter-collaboration does")
        recoveries = self._rooms.recoveries = self._make_recoveries()
        guard(extension.file_loaders, recoveries.finished, self._rooms.cell_ids)
        forget_stopped(extension.ywebsocket_server)
        send_round(extension.ywebsocket_server)
        rooms, file_ids = extension.ywebsocket_server, self._server.web_app.settings["file_id_manager"]
        follow_renames(self._server.event_logger, file_ids, lambda: [room.rsplit(":", 1)[-1] for room in rooms.rooms])
        return recoveries

    def _make_recoveries(self) -> Recoveries:
        extension: YDocExtension = self._rooms.extension

        def store_of(room_id: str) -> BaseYStore:
            _, kind, file_id = room_id.split(":", 2)
            store: BaseYStore = extension.ystore_class(path=f".{kind}:{file_id}.y", log=self.log)
            return store

        file_ids = self._server.web_app.settings["file_id_manager"]
        return Recoveries(
            self._journals(),
            getattr(self._server.contents_manager, "root_dir", None),
            self.log,
            # Of its own: a contents manager's signature database stays with the thread that opened it.
            contents=lambda: self._server.contents_manager_class(parent=self._server, log=self.log),
            store_of=store_of,
            present_path=file_ids.get_path,
        )

    async def _sweep(self) -> None:
        heap = Heap()
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            try:
                await self._rooms.sweep()
                await self._execution.kernels.sweep()
                heap.give_back()
            except Exception:  # boundary: the sweeper must outlive one bad room
                self.log.exception("Closing what is idle failed; will try again")

    async def stop_extension(self) -> None:
        """Save, disconnect from kernels, end the streams."""
        if self._endpoint is None:
            return
        if self._sweeper is not None:
            self._sweeper.cancel()
        # Before any await: upstream stops its rooms meanwhile.
        people = [self._rooms.dismiss(), *self._rooms.save_others()]
        # In a task of its own: the worker threads that it needs end with it.
        await asyncio.create_task(self._stop(self._endpoint, people))
        await workers_end()

    async def _stop(self, endpoint: Endpoint, people: list[asyncio.Task[None]]) -> None:
        await endpoint.stop()
        await self._execution.runs.close()  # what they have put out is in the documents that are saved now
        await self._rooms.stop()
        if self._rooms.recoveries is not None:
            self._rooms.recoveries.stop()
        await asyncio.gather(*people)
        await self._execution.close()
        if self._audit is not None:
            await asyncio.to_thread(self._audit.close, AUDIT_WITHIN)
