"""No foreign pickles, nothing evaluated, no way out of the results folder, nothing unescaped on the page."""

import ast
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import plotly.graph_objects as go
import pytest

from gantry.data.archives import unpack
from gantry.errors import UserError
from gantry.plan import load_plan
from gantry.report.page.interactive import as_html
from gantry.report.page.make import environment

SOURCE = Path(__file__).resolve().parents[2]
PLACES = sorted([*SOURCE.glob("src/**/*.py"), *SOURCE.glob("benchmarks/*.py")])
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
# The one place where pickled data are read at all: with an unpickler that knows arrays and plain values only.
RESTRICTED = {"src/gantry/data/pickles.py"}
# The one place where TorchScript is loaded: from bytes whose digest was compared.
# Both load the bytes whose digest they have compared with a known one, or with what the user gave.
SCRIPTED = ("src/gantry/metrics/features/weights.py", "src/gantry/evaluation/own.py")
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "system", "popen", "extractall"}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """(dotted name, call) of every call: 'np.load', 'yaml.safe_load'."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def keyword(call: ast.Call, name: str) -> object:
    """The constant that a call gives for a keyword; None without it."""
    values = [key.value for key in call.keywords if key.arg == name]
    return values[0].value if values and isinstance(values[0], ast.Constant) else None


def offences(path: Path, text: str) -> list[str]:
    """What a source file does that it must not."""
    tree = ast.parse(text)
    name = str(path.relative_to(SOURCE)) if path.is_absolute() else str(path)
    found = []
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            if module.partition(".")[0] in FORBIDDEN_MODULES and name not in RESTRICTED:
                found.append(f"{name}:{node.lineno}: imports {module}")
    for called, call in calls(tree):
        last = called.rpartition(".")[2]
        where = f"{name}:{call.lineno}: {called}"
        plain = called in FORBIDDEN_CALLS or (
            last in FORBIDDEN_CALLS - {"compile"} and called.startswith(("os.", "builtins."))
        )
        if plain or last == "extractall":
            found.append(where)
        if called in ("np.load", "numpy.load") and keyword(call, "allow_pickle") is not False:
            found.append(f"{where} without allow_pickle=False")
        if called == "torch.load" and keyword(call, "weights_only") is not True:
            found.append(f"{where} without weights_only=True")
        if (
            last == "load"
            and "jit" in called
            and not (name in SCRIPTED and "BytesIO" in ast.unparse(call.args[0]))
        ):
            found.append(f"{where} runs the program in a file")
        if called.startswith("yaml.") and last in ("load", "load_all", "unsafe_load", "full_load"):
            loader = [key.value for key in call.keywords if key.arg == "Loader"] + call.args[1:]
            if not loader or "Safe" not in _bases(tree, ast.unparse(loader[0])):
                found.append(f"{where} without a safe loader")
        if keyword(call, "shell") is True:
            found.append(f"{where} through a shell")
        if called in ("pickle.load", "pickle.loads") or last == "read_pickle":
            found.append(f"{where} trusts what it reads")
    return found


def _bases(tree: ast.AST, loader: str) -> str:
    """The name of a loader and of what it inherits from in this file."""
    inherited = [
        ast.unparse(base)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name == loader
        for base in node.bases
    ]
    return " ".join([loader, *inherited])


def test_the_source_trusts_nobody() -> None:
    assert len(PLACES) > 100
    found = [offence for path in PLACES for offence in offences(path, path.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.numpy_pickle",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "eval('1')",
        "exec(text)",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "archive.extractall()",
        "pd.read_pickle(path)",
        "torch.jit.load(path)",
        "jit.load(io.BytesIO(content))",
    ],
)
def test_the_scan_can_see(text: str) -> None:
    assert len(offences(Path("file.py"), text)) == 1


def test_the_scan_lets_good_code_pass() -> None:
    text = (
        "np.load(path, allow_pickle=False)\ntorch.load(x, weights_only=True)\nyaml.safe_load(t)\nmodel.eval()\n"
        "re.compile('x')\nclass Own(yaml.SafeLoader): pass\nyaml.load(t, Loader=Own)\n"
    )
    assert offences(Path("file.py"), text) == []


# ── names from data and configurations ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_writes_nothing_beside_its_folder(tmp_path: Path, kind: str) -> None:
    members = {"../../outside.txt": b"out", "/tmp/gantry-outside.txt": b"out", "in/wanted.txt": b"in"}
    path = tmp_path / f"archive.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w") as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, BytesIO(content))
            link = tarfile.TarInfo("in/link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc"
            archive.addfile(link)
    target = tmp_path / "deep/er/target"
    target.mkdir(parents=True)
    unpack(path, ("wanted.txt", "outside.txt"), target, "a set")
    assert {file.name for file in target.iterdir()} == {"wanted.txt", "outside.txt"}
    assert not (tmp_path / "deep/outside.txt").exists()
    assert not Path("/tmp/gantry-outside.txt").exists()


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/b", "a b", "", ".hidden", "-rf", "$(touch x)", "a;b", "a\nb", "ü"]
)
def test_names_that_become_folders_are_names(name: str, repository: Path) -> None:
    """Of data sets, papers, recipes and outputs: letters, digits, points and dashes, no more."""
    with pytest.raises(UserError):
        load_plan({"scale": "smoke", "datasets": {name: {"title": "t", "source": "digits"}}}, repository)
    with pytest.raises(UserError):
        load_plan({"scale": "smoke", "papers": [name]}, repository)


@pytest.mark.parametrize("block", ["recipes", "outputs"])
def test_names_inside_a_paper_too(block: str, tmp_path: Path, repository: Path) -> None:
    shutil.copytree(repository / "workflow", tmp_path / "workflow")
    paper = tmp_path / "workflow/experiments/bcgan.yaml"
    text = paper.read_text(encoding="utf-8")
    first = {"recipes": "  realnessgan:\n", "outputs": "  table2:\n"}[block]
    assert first in text
    paper.write_text(text.replace(first, '  "../../escape":\n', 1), encoding="utf-8")
    with pytest.raises(UserError, match=r"escape.*name of letters"):
        load_plan({"scale": "smoke"}, tmp_path)


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_escapes_what_it_shows() -> None:
    filled = environment()
    assert filled.autoescape is True
    attack = '<script>alert("x")</script>'
    for text in ("{{ value }}", "{{ value | label }}", '<a href="#{{ value | anchor }}">'):
        shown = filled.from_string(text).render(value=attack)
        assert "<script>" not in shown
    template = (SOURCE / "src/gantry/report/page/templates/page.html").read_text(encoding="utf-8")
    assert "autoescape" not in template
    # What plotly makes goes in as it is; nothing else does.
    trusted = [line.strip() for line in template.splitlines() if "| safe" in line]
    assert trusted == ["<script>{{ bundle | safe }}</script>", "{{ item.interactive | safe }}"]
    figure = go.Figure(go.Scatter(x=[0], y=[0], name=f"</script>{attack}"))
    assert attack not in as_html(figure, "f", 100, 40) and f"</script>{attack[:7]}" not in as_html(
        figure, "f", 100, 40
    )
