"""LiteLLM's callback: a thin shell around :class:`~streams.producers.litellm.delivery.Delivery`."""

import atexit
import logging
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Final

from litellm.integrations.custom_logger import CustomLogger

from streams.producers.litellm.account import Counts, Limits
from streams.producers.litellm.delivery import Delivery
from streams.producers.litellm.options import Options, options_from
from streams.producers.litellm.slimming import event_of, line_of, prompt_of
from streams.sources.fingerprints import Fingerprints
from streams.sources.litellm.shapes import Event

__all__ = ["AssayLogger"]

_LOG: Final = logging.getLogger("assay.litellm")


class AssayLogger(CustomLogger):
    """Tells Assay of every call, by the guarantees that docs/sources/litellm.md states.

    Nothing here raises into LiteLLM or waits for anything: an event is copied, and a thread does the rest.
    """

    def __init__(self, options: Options | None = None, limits: Limits | None = None) -> None:
        super().__init__()
        options = options or options_from()
        limits = limits or Limits(spool_bytes=options.spool_bytes)
        self._fingerprint = Fingerprints(options.fingerprint_key) if options.fingerprint_key else None
        try:
            self._delivery = Delivery(options.sink, options.spool, limits)
        except OSError as error:
            raise ValueError(
                f"LITELLM_ASSAY_SPOOL: cannot write to {options.spool} ({error.strerror}): give a directory that this "
                "process may write to and that outlives it"
            ) from error
        # LiteLLM hands on what is still in its own queue after this: that goes to disk (Delivery.accept).
        atexit.register(self._at_exit)
        _on_sigterm(self._delivery)

    @property
    def counts(self) -> Counts:
        """Events by what became of them."""
        return self._delivery.account.counts

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Send for so long; what is left stays on disk and is sent by the next process that uses the same directory."""
        atexit.unregister(self._at_exit)
        self._delivery.close(timeout_seconds)

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """A call of the proxy, or of the library's asynchronous functions, that succeeded."""
        self._accept(kwargs)

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """One that failed."""
        self._accept(kwargs)

    def log_success_event(
        self, kwargs: dict[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """A call of the library's plain functions that succeeded; some calls of the proxy come here as well as above."""
        self._accept(kwargs)

    def log_failure_event(
        self, kwargs: dict[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """One that failed."""
        self._accept(kwargs)

    def _accept(self, kwargs: dict[str, Any]) -> None:
        try:
            event = event_of(kwargs)
            if event is None:
                _LOG.error("LiteLLM made no event of a call (its own log says why): the call is not counted")
                return
            prompt = prompt_of(kwargs) if self._fingerprint is not None else None
            self._delivery.accept(partial(_line, event, prompt, self._fingerprint), len(prompt or ""))
        except Exception:
            _LOG.exception("a call is not counted")

    def _at_exit(self) -> None:
        self._delivery.close()


def _line(event: Event, prompt: str | None, fingerprint: Callable[[str], str] | None) -> bytes:
    return line_of(event, fingerprint(prompt) if fingerprint is not None and prompt is not None else None)


def _on_sigterm(delivery: Delivery) -> None:
    """Python ends without a word at SIGTERM: send first. A server that ends in its own way is let do so, in a hurry."""
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        if callable(before):
            delivery.hurry()
            before(number, frame)
            return
        delivery.close()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    if before is signal.SIG_DFL or callable(before):
        signal.signal(signal.SIGTERM, handle)
