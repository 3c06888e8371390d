"""`prefalign push`: what reaches a hub, and what happens without one."""

import base64
import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from prefalign.config import RunConfig
from prefalign.progress import Silence
from prefalign.run import train
from prefdata.io.manifest import Counts, Manifest, sha256, write_manifest
from tests.command import prefalign
from tests.prefalign.toys import write_toy_pairs


class Hub(ThreadingHTTPServer):
    """As much of the hub as an upload of small files talks to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    """Takes files inline; keeps them in `server.files`."""

    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.path)
        if self.path.endswith("/api/repos/create"):
            self._answer({"url": f"{self.server.address}/me/model", "id": "me/model"})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            modes = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files
            ]
            self._answer({"files": modes})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    self.server.files[value["path"]] = base64.b64decode(value["content"])
            address = f"{self.server.address}/me/model/commit/1"
            self._answer({"commitUrl": address, "commitOid": "1" * 40, "success": True})
        else:
            self._answer({"errors": [], "warnings": []})

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self._answer(
            [] if "/tree/" in self.path else {"id": "me/model", "sha": "0" * 40, "siblings": []}
        )

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, value: object) -> None:
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A run whose training pairs have a manifest."""
    folder = tmp_path_factory.mktemp("run")
    pairs = write_toy_pairs(folder / "train.parquet", 8)
    counts = Counts(rows=8, paired=8, pairs=8)
    write_manifest(
        Manifest(command=[], licence="cc-by-4.0", inputs=[], outputs=[], counts=counts), pairs
    )
    settings = {
        "data": {
            "train": str(pairs),
            "test": str(write_toy_pairs(folder / "t.parquet", 4, first=50)),
        },
        "model": {"name": str(tiny_model)},
        "method": {"name": "orpo"},
        "optim": {"max_steps": 1},
        "hardware": {"device": "cpu", "precision": "fp32"},
        "output": {"dir": str(folder / "out")},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFALIGN_CACHE", str(folder / "cache"))
        train(RunConfig.model_validate(settings), Silence())
    return folder / "out"


def test_the_model_and_its_card_reach_the_hub(finished: Path, hub: Hub, tiny_model: Path) -> None:
    online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.address, "HF_TOKEN": "hf_secret"}
    ran = prefalign("push", finished, "me/model", env=online)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"{hub.address}/me/model\n"
    assert "hf_secret" not in ran.stdout + ran.stderr
    here = {path.name: path.read_bytes() for path in (finished / "model").iterdir()}
    assert hub.files == here
    assert {"README.md", "model.safetensors", "tokenizer.json"} <= set(here)

    card = here["README.md"].decode()
    manifest = finished.parent / "train.manifest.json"
    assert f"`train.manifest.json` (sha256 `{sha256(manifest)}`)" in card
    assert "base model: not stated; training pairs: cc-by-4.0" in card
    assert "ORPO (arXiv:2403.07691)" in card
    assert "| accuracy_reference |" in card
    assert str(tiny_model.parent) not in card  # a path of this machine is nobody's business
    assert "base_model" not in yaml.safe_load(card.split("---")[1])


def test_without_a_hub(finished: Path) -> None:
    listed = prefalign("push", finished, "me/model", "--dry-run")
    assert sorted(map(os.path.basename, listed.stdout.splitlines())) == sorted(
        path.name for path in (finished / "model").iterdir()
    )
    ran = prefalign("push", finished, "me/model")
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: me/model: cannot be uploaded: ")
    assert "hint: check the name, the network and your login (hf auth login)" in ran.stderr


def test_what_cannot_be_pushed(finished: Path, tmp_path: Path) -> None:
    assert "'model' is not OWNER/NAME" in prefalign("push", finished, "model").stderr
    nothing = prefalign("push", tmp_path, "me/model")
    assert nothing.returncode == 2
    assert "holds no run.json and no model" in nothing.stderr
    adapters = {"base_model_name_or_path": "/home/ann/base"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(adapters))
    refused = prefalign("push", tmp_path, "me/model")
    assert refused.returncode == 2
    assert "its adapters belong to /home/ann/base, which is not on the hub" in refused.stderr
    assert f"prefalign merge {tmp_path} -o merged" in refused.stderr
