"""Loss curves of prefalign and of TRL's own trainers on the same pairs in the same order.

    python -m benchmarks.curves HH_FILE --steps 50

Trains adapters of the demo's model twice with each method, in fp32, and prints how far the curves are apart.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from prefalign.config import RunConfig
from prefalign.data.dataset import PairDataset, epoch_order
from prefalign.data.pair_set import read_set
from prefalign.demo.model import find_model
from prefalign.progress import Silence
from prefalign.run import train
from prefdata.conversion import convert
from prefdata.curate.drop import curate


def curves(settings: dict[str, Any], folder: Path) -> dict[str, list[float]]:
    """Returns the losses of each engine's steps, in nats; one epoch at most.

    Args:
        settings: a run file without engine and output.
        folder: where runs go.
    """
    in_order = str(folder / "in-our-order.parquet")
    order_as_trained(_run(settings, "prefalign", folder)).write_parquet(in_order)
    one_after_another = {
        "data": settings["data"] | {"train": in_order},
        "trl": {"train_sampling_strategy": "sequential"},
    }
    return {
        "prefalign": _losses(_run(settings, "prefalign", folder)),
        "trl": _losses(_run(settings | one_after_another, "trl", folder)),
    }


def order_as_trained(config: RunConfig) -> pl.DataFrame:
    """Returns the pairs in the order in which the first epoch of a run sees them."""
    store = read_set(config.data.train, config).store
    data = PairDataset(store.table)
    order = epoch_order(data.prompt_ids, seed=config.optim.seed, epoch=0)
    ids = pl.DataFrame({"id": [data.ids[place] for place in order]})
    return ids.join(pl.read_parquet(config.data.train).unique("id"), on="id", maintain_order="left")


def first_that_fit(config: RunConfig, most: int) -> pl.DataFrame:
    """Returns the first pairs of the training set that are short enough, `most` of them."""
    ids = read_set(config.data.train, config).store.table["id"].to_pylist()[:most]
    return pl.read_parquet(config.data.train).filter(pl.col("id").is_in(ids))


def _run(settings: dict[str, Any], engine: str, folder: Path) -> RunConfig:
    output = {"dir": str(folder / engine)}
    return RunConfig.model_validate(settings | {"engine": engine, "output": output})


def _losses(config: RunConfig) -> list[float]:
    train(config, Silence())
    lines = map(json.loads, (config.output.dir / "metrics.jsonl").open())
    return [line["loss"] for line in lines if line["kind"] == "train"]


def main() -> None:
    """Prints a row of the table in `benchmarks/results.md` for each method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path, help="any file that prefdata reads")
    parser.add_argument("--model", help="default: the demo's")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch", type=int, default=2, help="pairs a step")
    parser.add_argument("--max-length", type=int, default=80)
    parser.add_argument("--methods", nargs="+", default=["{name: dpo}", "{name: orpo}"])
    args = parser.parse_args()
    model = args.model or find_model(print)
    print("| method | first loss | last loss | largest difference | mean difference |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for method in args.methods:
        with tempfile.TemporaryDirectory() as name:
            source = Path(name) / "pairs.parquet"
            curate(convert([args.pairs]).pairs).kept.write_parquet(source)
            settings = {
                "data": {"train": str(source), "max_length": args.max_length},
                "model": {"name": model, "lora": {"r": 16}},
                "method": yaml.safe_load(method),
                "optim": {"learning_rate": 2e-4},
                "batch": {"global_batch_size": args.batch, "micro_batch_size": args.batch},
                "hardware": {"precision": "fp32"},
            }
            config = _run(settings, "prefalign", Path(name))
            first_that_fit(config, args.steps * args.batch).write_parquet(source)
            found = curves(settings, Path(name))
        apart = [abs(a - b) for a, b in zip(*found.values(), strict=True)]
        ours = found["prefalign"]
        print(
            f"| `{method}` | {ours[0]:.4f} | {ours[-1]:.4f} | {max(apart):.1e} "
            f"| {sum(apart) / len(apart):.1e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
