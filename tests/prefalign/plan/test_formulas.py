"""FLOPs and bytes against PyTorch's own counters, on a small Llama."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from prefalign.config import Lora, Model
from prefalign.data.dataset import PairDataset
from prefalign.engine.attention import attend_to_trees
from prefalign.engine.collate import collate
from prefalign.engine.logps import score_tokens, target_logps
from prefalign.models.loading import add_lora, autocast, load_model
from prefalign.plan.activations import Numbers, kept_bytes
from prefalign.plan.flops import forward
from prefalign.plan.reads import Reads, reads, triangle
from prefalign.plan.schedule import MicroBatch
from prefalign.plan.shape import read_shape
from tests.prefalign.toys import token_table

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide enough that activations are more than odds and ends."""
    from transformers import LlamaConfig, LlamaForCausalLM

    directory = tmp_path_factory.mktemp("llama")
    config = LlamaConfig(
        vocab_size=512, hidden_size=64, intermediate_size=160, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(directory)
    return directory


def batch_of(layout):
    data = PairDataset(token_table(3, longest=60, prompts=20), layout=layout)
    places = torch.arange(3).numpy()
    return collate(data, MicroBatch.of(places))


def test_sizes_are_those_of_the_weights(llama: Path) -> None:
    full, layout = read_shape(Model(name=str(llama)))
    model = load_model(Model(name=str(llama)), "fp32")
    assert layout == "shared"
    assert full.parameters == full.trainable == model.num_parameters()
    embeddings = model.get_input_embeddings().weight.numel()
    assert full.body == sum(p.numel() for p in model.parameters() if p.ndim == 2) - embeddings
    assert (full.norms, full.queries, full.keys, full.inner) == (128, 64, 32, 160)
    lora, _ = read_shape(Model(name=str(llama), lora=Lora(r=4)))
    adapted = add_lora(model, Lora(r=4), "fp32")
    assert lora.trainable == sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert lora.adapter_ranks == 7 * 4


@pytest.mark.parametrize("layout", ["padded", "shared"])
def test_products_of_the_forward_pass_are_counted_exactly(llama: Path, layout) -> None:
    model = load_model(Model(name=str(llama)), "fp32")
    score_tokens(model)
    attend_to_trees(model)
    batch = batch_of(layout)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        target_logps(model, batch)
    products = {str(op): n for op, n in counter.get_flop_counts()["Global"].items()}
    matrices = sum(n for op, n in products.items() if op in ("aten.mm", "aten.addmm"))
    planned = forward(read_shape(Model(name=str(llama)))[0], reads(batch))
    assert matrices == planned.body + planned.head


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("lora", [None, Lora(r=4)], ids=["full", "lora"])
@pytest.mark.parametrize("layout", ["padded", "shared"])
def test_activations_are_what_autograd_saves(llama: Path, layout, lora, precision) -> None:
    settings = Model(name=str(llama), lora=lora)
    shape, _ = read_shape(settings)
    model = load_model(settings, precision)
    score_tokens(model)
    attend_to_trees(model)
    if lora:
        model = add_lora(model, lora, precision)
    model.train()
    batch = batch_of(layout)
    saved = saved_bytes(model, batch, precision)
    read = reads(batch)
    numbers = Numbers.of(shape, precision)
    planned = kept_bytes(shape, read, numbers, checkpointing=False, eager=False)
    planned += (
        2 * read.scored * shape.hidden * numbers.product
    )  # the head's inputs and their slopes
    assert planned == pytest.approx(saved, rel=0.1)


def saved_bytes(model, batch, precision) -> int:
    """Bytes of all storages that the graph holds, without weights and copies of weights."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    shapes = {tuple(p.shape) for p in model.parameters()}
    shapes |= {shape[::-1] for shape in shapes}
    sizes, kept = {}, []

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights and tuple(tensor.shape) not in shapes:
            sizes[storage.data_ptr()] = storage.nbytes()
            kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t), autocast(CPU, precision):
        target_logps(model, batch)
    return sum(sizes.values())


def test_a_view_attends_to_its_whole_path() -> None:
    batch = batch_of("shared")
    apart = batch_of("packed")
    assert reads(batch).tokens < reads(apart).tokens
    queries, keys = (batch[name].diff().tolist() for name in ("query_starts", "key_starts"))
    views = zip(queries, keys, strict=True)
    assert reads(batch).attended == sum(sum(range(k - q + 1, k + 1)) for q, k in views)
    padded = batch_of("padded")
    rows, width = padded["input_ids"].shape
    assert reads(padded) == Reads(
        rows * width, len(padded["targets"]), rows * triangle(width, width), 0, rows
    )
