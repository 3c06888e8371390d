"""Fixtures shared by all tests: nothing here reaches the network."""

import os
import signal

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["NO_COLOR"] = "1"
# tiny models gain nothing from threads, and several test processes share the cores
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest
from hypothesis import settings

from tests.tiny import write_tiny_model

# the jobs that a shell runs in the background ignore Ctrl-C, and so would all that they start
signal.signal(signal.SIGINT, signal.default_int_handler)

# The first example pays for imports, which is no reason to call a test flaky.
settings.register_profile("prefdata", deadline=None)
settings.load_profile("prefdata")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a random 2-layer Llama and a 512-token ChatML tokenizer, both on the spot."""
    directory = tmp_path_factory.mktemp("tiny") / "model"
    write_tiny_model(directory)
    return directory
