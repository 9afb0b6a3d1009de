"""One question asked three times through LangChain, which answers two of them out of its cache, under Langfuse's callback.

Arguments: the receiver's address, the model server's address.
"""

import sys

from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_openai import ChatOpenAI
from langfuse import Langfuse
from langfuse.langchain import CallbackHandler

RECEIVER, MODELS = sys.argv[1:]
client = Langfuse(public_key="pk-lf-dummy", secret_key="sk-lf-dummy", base_url=RECEIVER)
set_llm_cache(InMemoryCache())
model = ChatOpenAI(model="gpt-4o-mini", base_url=f"{MODELS}/v1", api_key="dummy")
for _ in range(3):
    model.invoke("say hi", config={"callbacks": [CallbackHandler()]})
client.flush()
client.shutdown()
