"""What `import prefalign` gives, and what it must not cost."""

import subprocess
import sys
from pathlib import Path

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


def test_every_package_is_on_the_map_in_contributing() -> None:
    root = Path(__file__).parents[2]
    packages = {path.parent.name for path in root.glob("prefalign/*/__init__.py")}
    page = (root / "CONTRIBUTING.md").read_text()
    assert {name for name in packages if f"`{name}/`" not in page} == {"recipes", "launchers"}
