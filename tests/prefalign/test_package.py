"""What `import prefalign` gives, and what it must not cost."""

import subprocess
import sys

import prefalign


def test_every_public_name_is_there() -> None:
    assert all(hasattr(prefalign, name) for name in prefalign.__all__)
    assert set(prefalign.__all__) == set(dir(prefalign))


def test_importing_and_asking_for_help_load_no_torch() -> None:
    code = (
        "import sys, prefalign; from click.testing import CliRunner; from prefalign.cli import prefalign as group;"
        "result = CliRunner().invoke(group, ['--help']); assert 'validate' in result.output;"
        "print([m for m in ('torch', 'transformers', 'datasets', 'polars', 'pyarrow') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
