"""What a program does with Langfuse: run under each version of its SDK, which are installed beside one another.

Arguments: the receiver's address, the model server's address. The calls and their order are what the test counts on.
"""

import sys
from contextlib import nullcontext
from typing import Any

import langfuse
from langfuse.openai import OpenAI

RECEIVER, MODELS = sys.argv[1:]
MAJOR = (
    int(langfuse.version.__version__.partition(".")[0])
    if hasattr(langfuse, "version")
    else int(langfuse.__version__.partition(".")[0])
)
ASKED: Any = [{"role": "system", "content": "CANARY be brief"}, {"role": "user", "content": "CANARY say hi"}]


def calls(client: Any) -> None:
    """The model's calls, in the order of their numbers."""
    chat = client.chat.completions.create
    chat(model="gpt-4o-mini", messages=ASKED)
    list(chat(model="gpt-4o-mini", messages=ASKED, stream=True, stream_options={"include_usage": True}))
    list(chat(model="gpt-4o-mini", messages=ASKED, stream=True))
    client.responses.create(model="gpt-4o-mini", input="CANARY say hi")
    try:
        chat(model="fail-500", messages=ASKED)
    except Exception as failed:
        print("refused:", type(failed).__name__)


def owned(client: Any) -> Any:
    """Whose the calls are, in the words of the version."""
    said = {
        "user_id": "CANARY ada",
        "session_id": "CANARY session",
        "tags": ["team:red"],
        "metadata": {"workflow": "nightly"},
    }
    if MAJOR >= 4:
        return langfuse.propagate_attributes(**said)
    client.update_current_trace(**said)
    return nullcontext()


def main() -> None:
    """All of it."""
    models = OpenAI(base_url=f"{MODELS}/v1", api_key="dummy", max_retries=0)
    keys = {"public_key": "pk-lf-dummy", "secret_key": "sk-lf-dummy"}
    if MAJOR == 2:
        client = langfuse.Langfuse(host=RECEIVER, **keys)
        langfuse.openai.openai.langfuse_host, langfuse.openai.openai.langfuse_enabled = RECEIVER, True
        langfuse.openai.openai.langfuse_public_key, langfuse.openai.openai.langfuse_secret_key = keys.values()
        calls(models)
        trace = client.trace(name="by hand", user_id="CANARY ada", tags=["team:red"], metadata={"workflow": "nightly"})
        generation = trace.generation(name="CANARY", model="claude-sonnet-4-5", input="CANARY")
        generation.end(
            output="CANARY",
            usage_details={"input": 100, "cache_read_input_tokens": 2000, "output": 50},
            cost_details={"total": 0.5},
        )
        client.score(trace_id=trace.id, name="accepted", value=1, data_type="BOOLEAN", comment="CANARY")
        client.score(trace_id=trace.id, name="verdict", value="kept", data_type="CATEGORICAL")
        langfuse.openai.openai.flush_langfuse()
        client.flush()
        return
    client = langfuse.Langfuse(**keys, **({"host": RECEIVER} if MAJOR == 3 else {"base_url": RECEIVER}))
    with client.start_as_current_observation(name="CANARY", as_type="agent", input="CANARY") as root:
        with owned(client):
            calls(models)
            with client.start_as_current_observation(
                name="by hand", as_type="generation", model="claude-sonnet-4-5", input="CANARY"
            ) as generation:
                generation.update(
                    output="CANARY",
                    usage_details={"input": 100, "cache_read_input_tokens": 2000, "output": 50},
                    cost_details={"total": 0.5},
                )
        root.score_trace(name="accepted", value=1, data_type="BOOLEAN", comment="CANARY")
        root.score_trace(name="verdict", value="kept", data_type="CATEGORICAL")
    client.flush()
    client.shutdown()


main()
