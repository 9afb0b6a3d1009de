"""A logger for LiteLLM that loses nothing: ``callbacks: ["streams.producers.litellm.logger"]`` in the proxy's configuration.

``logger`` is made when it is first asked for, from the environment (:mod:`streams.producers.litellm.options`); other programs
make an ``AssayLogger`` with options of their own. LiteLLM itself is imported by neither until then.
"""

from typing import TYPE_CHECKING

from streams.producers.litellm.options import Options

if TYPE_CHECKING:
    from streams.producers.litellm.callbacks import AssayLogger

    logger: AssayLogger

__all__ = ["AssayLogger", "Options", "logger"]


def __getattr__(name: str) -> object:
    if name not in ("AssayLogger", "logger"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from streams.producers.litellm.callbacks import AssayLogger

    if name == "AssayLogger":
        return AssayLogger
    made = globals()["logger"] = AssayLogger()
    return made
