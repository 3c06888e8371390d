"""Skeletons: whatever a template does, the text is that of `apply_chat_template`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from prefdata.errors import InputError
from prefdata.tokens import load_tokenizer
from prefdata.tokens.render_skeleton import Skeletons
from prefdata.tokens.template import Conversation, apply_template
from tests.tiny import CHATML

BUNDLED = sorted(
    (Path(pytest.importorskip("trl").__file__).parent / "chat_templates").glob("*.jinja")
)

EACH = "{{% for m in messages %}}{{{{ m.role }}}}{}{{% endfor %}}{{% if add_generation_prompt %}}>{{% endif %}}"
# the last of each is what a message that says "x" or " x " has to be told apart by
LOOKS = {
    "compares": "{% if m.content == 'x' %}a{% endif %}",
    "compares constant first": "{% if 'x' == m.content %}a{% endif %}",
    "orders": "{% if m.content > 'x' %}a{% endif %}",
    "is true": "{% if m.content %}a{% endif %}",
    "default": "{{ m.content or 'a' }}",
    "trims": "{{ m.content | trim }}",
    "trims by method": "{{ m.content.strip() }}",
    "trims what it joined": "{{ ('' + m.content) | trim }}",
    "trims in a macro": "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(m.content) | trim }}",
    "trims a block": "{% set t %}{{ m.content }}{% endset %}{{ t | trim }}",
    "joins with ~": "{{ (m.content ~ '') | trim }}",
    "measures": "{{ m.content | length }}",
    "slices": "{{ m.content[:1] }}",
    "searches": "{% if 'x' in m.content %}a{% endif %}",
    "is searched": "{% if m.content in 'axb' %}a{% endif %}",
    "is searched in a list": "{% if m.content in ['x'] %}a{% endif %}",
    "argument": "{% if 'xyz'.startswith(m.content) %}a{% endif %}",
    "key": "{{ {'x': 'a'}[m.content] }}",
    "writes a list": "{{ [m.content] }}",
    "writes a message": "{{ m }}",
    "json": "{{ m.content | tojson }}",
    "json of all": "{{ messages | tojson }}",
    "formats": "{{ '%3s' % m.content }}",
    "formats a tuple": "{{ '%3s' % (m.content,) }}",
    "formats by method": "{{ '{:>3}'.format(m.content) }}",
    "formats by filter": "{{ '%3s' | format(m.content) }}",
    "repeats": "{{ m.content * 2 }}",
    "walks": "{% for c in m.content %}{{ c }}.{% endfor %}",
    "changed": "{% if loop.changed(m.content) %}a{% endif %}",
    "selects": "{{ messages | selectattr('content', 'equalto', 'x') | list | length }}",
    "test of equality": "{% if m.content is eq('x') %}a{% endif %}",
    "upper": "{{ m.content | upper }}",
    "namespace": "{% set ns = namespace(t='') %}{% set ns.t = ns.t + m.content %}{{ ns.t | trim }}",
    "list filter": "{{ [m.content, 'b'] | join('-') | trim }}",
    "generation": "{% generation %}{{ m.content }}{% endgeneration %}",
    "include": "{{ m['content'] if m.content is string else 'a' }}",
}
ROLES = ("system", "user", "assistant")
TEXTS = st.one_of(
    st.sampled_from(["x", " x ", "", "\n", "</think>a", "\x020\x03", "<|im_end|>"]),
    st.text(max_size=5),
)
MESSAGES = st.lists(st.tuples(st.sampled_from(ROLES), TEXTS), min_size=1, max_size=4)


def conversation(said: list[tuple[str, str]]) -> Conversation:
    return [{"role": role, "content": text} for role, text in said]


def said_of(render: Callable[[], str]) -> str:
    """Returns the text, or the reason why there is none."""
    try:
        return render()
    except InputError as refusal:
        return f"refused: {refusal.message}"


def agrees(tokenizer: PreTrainedTokenizerBase, said: list[tuple[str, str]]) -> None:
    """Holds what skeletons say, of a shape's first conversation and of later ones, to the template."""
    skeletons = Skeletons(tokenizer)
    others = [(role, "some words") for role, _ in said]
    for messages in map(conversation, (others, said, others)):
        for prompt in (False, True):
            expected = said_of(
                lambda m=messages, p=prompt: apply_template(
                    tokenizer, m, {"tools": None}, generation_prompt=p
                )
            )
            found = said_of(lambda m=messages, p=prompt: skeletons.render(m, generation_prompt=p))
            assert found == expected


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> PreTrainedTokenizerBase:
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.bos_token = "<|endoftext|>"
    return tokenizer


def found(tokenizer: PreTrainedTokenizerBase, template: str) -> bool:
    """Returns whether the template is rendered from a skeleton."""
    tokenizer.chat_template = template
    skeletons = Skeletons(tokenizer)
    skeletons.render(conversation([("user", "a"), ("assistant", "b")]), generation_prompt=False)
    return any(skeletons._skeletons.values())


@pytest.mark.parametrize("look", LOOKS)
@settings(max_examples=15)
@example([("user", "x"), ("assistant", " x ")])
@given(said=MESSAGES)
def test_a_template_that_looks(
    tokenizer: PreTrainedTokenizerBase, look: str, said: list[tuple[str, str]]
) -> None:
    tokenizer.chat_template = EACH.format(LOOKS[look])
    agrees(tokenizer, said)


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
@settings(max_examples=8)
@example([("user", " x "), ("assistant", "</think> x\n")])
@given(said=MESSAGES)
def test_templates_as_trl_bundles_them(
    tokenizer: PreTrainedTokenizerBase, path: Path, said: list[tuple[str, str]]
) -> None:
    tokenizer.chat_template = path.read_text()
    agrees(tokenizer, said)


def test_templates_that_only_pass_on_have_one(tokenizer: PreTrainedTokenizerBase) -> None:
    assert found(tokenizer, CHATML)
    assert found(tokenizer, "{{ bos_token }}" + CHATML)
    assert found(tokenizer, EACH.format(LOOKS["include"]))
    assert found(
        tokenizer, EACH.format("{{ messages[0]['content'] + m.content }}{{ messages | length }}")
    )
    tell_tale = [
        look for look in LOOKS if look != "include" and found(tokenizer, EACH.format(LOOKS[look]))
    ]
    assert tell_tale == []


def test_a_dropped_message_and_a_repeated_one(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = (
        "{{ messages[-1].content }}|{{ messages[0].content }}|{{ messages[-1].content }}"
    )
    said = conversation([("user", "a"), ("assistant", "b"), ("user", "c")])
    skeletons = Skeletons(tokenizer)
    assert [skeletons.render(said, generation_prompt=False) for _ in range(2)] == ["c|a|c"] * 2
