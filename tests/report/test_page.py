"""The page: complete, self-contained, safe with any label, and in order in a real browser."""

import json
import queue
import re
import shutil
import subprocess
import threading
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace

import pytest
from tests.servers import LocalServer

from gantry.errors import UserError
from gantry.report.make import make_claims, make_figure, make_page, make_table
from gantry.report.page.interactive import bundle
from gantry.report.page.make import _by_chance


def specs_in(folder, make_results, make_spec, make_group):
    """An order of every family, with the paths of its files in `folder`."""
    results = make_results(folder / "results/smoke")
    for seed in (0, 1):
        results.run("digits", "realnessgan", seed, diverged_at=100 if seed else None)
        results.run("digits", "bcgan", seed, generators=2)
    groups = [
        make_group("realnessgan", "RealnessGAN", seeds=(0, 1)),
        make_group("bcgan", "BCGAN", seeds=(0, 1)),
    ]
    test = {
        "metric": "swd",
        "of": {"recipe": "bcgan"},
        "against": {"recipe": "realnessgan"},
        "expect": "lower",
    }
    claims = {"claims": [{"name": "swd", "statement": "SWD is lower", "published": "−6.84", "test": test}]}
    described = {
        "table10": ("scores", {"at": ["best"]}, ("csv", "md", "tex")),
        "table2": ("scores", {"at": ["min", "max", "mean", "std"]}, ("csv", "md", "tex")),
        "figure4": ("grids", {}, ("png", "svg")),
        "figure5": ("curves", {"tail_checkpoints": 2}, ("png", "svg")),
        "claims": ("claims", claims, ("csv", "md")),
    }
    return [
        (
            make_spec(
                results,
                kind,
                groups,
                name=name,
                options=options,
                title=f"title of {name}",
                highlight=0 if name == "figure4" else None,
            ),
            {suffix: folder / f"{name}.{suffix}" for suffix in suffixes},
        )
        for name, (kind, options, suffixes) in described.items()
    ]


@pytest.fixture
def specs(tmp_path, make_results, make_spec, make_group):
    return specs_in(tmp_path, make_results, make_spec, make_group)


@pytest.fixture(scope="module")
def page(tmp_path_factory, make_results, make_spec, make_group):
    """The page of unchanged orders: made once, only read."""
    folder = tmp_path_factory.mktemp("page")
    made = specs_in(folder, make_results, make_spec, make_group)
    make_all(made)
    return write_page(folder, made)


def make_all(specs):
    """Make the files of each order."""
    for spec, paths in specs:
        make = {"csv,md": make_claims, "csv,md,tex": make_table, "png,svg": make_figure}[",".join(paths)]
        make(spec, *paths.values())


def write_page(tmp_path, specs):
    outputs = {f"{spec['paper']}/{spec['name']}": paths for spec, paths in specs}
    make_page([spec for spec, _ in specs], outputs, tmp_path / "report.html")
    return tmp_path / "report.html"


def without_scripts(text):
    return re.sub(r"<script.*?</script>", "", text, flags=re.S)


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_highlights_come_first_and_claims_last_and_folded(page):
    text = page.read_text()
    names = ("figure4", "table10", "table2", "figure5", "claims")
    places = [text.index(f'<section id="bcgan-{name}">') for name in names]
    assert places == sorted(places)
    assert "Proxy data." in text and "4, 1 diverged" in text
    assert text.index('<p class="tally">') < places[0]
    claims = text[places[-1] :]
    assert claims.index('<details class="claims">') < claims.index("SWD is lower")
    assert "±" in text and "0123456789abcdef" in text
    assert '<th class="left">Steps</th>' in text and '<td class="left">captured</td>' in text


def test_contents_are_there_and_runs_lead_back_to_what_shows_them(page):
    text = page.read_text()
    contents = text[text.index("<nav") : text.index("</nav>")]
    assert [f'href="#bcgan-{name}"' in contents for name in ("figure4", "table2", "claims")] == [True] * 3
    run = text[text.index('id="runs-digits-bcgan"') :]
    back = re.search("Shown in (.*)</p>", run)[1]
    assert 'href="#bcgan-table2"' in back and 'href="#bcgan-figure5"' in back
    assert text.index('<details class="dataset">') < text.index('id="runs-digits-bcgan"')
    assert "batch_size: 32" in run


def test_a_part_of_a_figure_is_not_drawn_again(tmp_path, specs):
    whole, files = next((spec, files) for spec, files in specs if spec["name"] == "figure4")
    part = whole | {"name": "figure4_a", "title": "a part", "groups": whole["groups"][:1]}
    both = [(whole, files), (part, {suffix: tmp_path / f"part.{suffix}" for suffix in files})]
    make_all(both)
    text = write_page(tmp_path, both).read_text()
    assert text.count("<figure") == 1
    section = text[text.index('<section id="bcgan-figure4_a">') :]
    assert '<p class="muted">A part of <a href="#bcgan-figure4">' in section


def test_nothing_is_loaded_from_elsewhere(page):
    text = page.read_text()
    for tag, attributes in Elements(text).found:
        assert tag not in ("iframe", "object", "embed")
        for name in ("src", "href"):
            value = attributes.get(name, "#")
            assert value.startswith(("#", "data:")), (tag, value)
    # What the plotting library's own code would fetch if it were asked to, the browser's test sees.
    assert not re.search(r"url\(|@import|https?://", without_scripts(text))


def test_every_link_leads_somewhere_and_every_number_to_its_runs(page):
    elements = Elements(page.read_text()).found
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for tag, attributes in elements if tag == "a"]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert "#runs-digits-bcgan" in links and "runs-digits-bcgan-seed1" in ids


def test_labels_cannot_become_markup(tmp_path, specs):
    for spec, _ in specs:
        spec["title"] = "<script>alert(1)</script>"
        spec["groups"][0]["recipe_label"] = "<img src=x onerror=alert(1)>"
        spec["groups"][0]["trained_on"] = "<b>digits</b>"
    make_all(specs)
    text = write_page(tmp_path, specs).read_text().replace(bundle(), "")
    assert "<script>alert" not in text and "<img src=x" not in text and "<b>" not in text
    assert "&lt;script&gt;" in text


def test_missing_files_are_named(tmp_path, specs):
    with pytest.raises(UserError, match=r"table10\.csv: table not found"):
        write_page(tmp_path, specs)
    with pytest.raises(UserError, match="no files given for bcgan/table10"):
        make_page([spec for spec, _ in specs], {}, tmp_path / "report.html")


PROBE = """
<!doctype html><body><iframe id=f width=WIDTH height=900 src="/report.html"></iframe><script>
f.onload = async () => {
  const page = f.contentDocument, images = [...page.images], plots = [...page.querySelectorAll('.js-plotly-plot')];
  const breath = () => new Promise(done => setTimeout(done, 100));
  // Until `holds` does, at most 20 seconds: how soon a browser draws its next frame is not ours to say.
  const until = async holds => { for (let time = 0; time < 200 && !holds(); time++) await breath(); };
  const press = async (element, kind) => {
    element.scrollIntoView({block: "center"});
    const box = element.getBoundingClientRect(), x = box.left + 2, y = box.top + box.height / 2;
    const how = {bubbles: true, clientX: x, clientY: y, view: f.contentWindow};
    element.dispatchEvent(new f.contentWindow.MouseEvent(kind, how));
    await breath();
  };
  const visible = plot => plot.data.map(trace => trace.visible !== false);
  const seen = {
    images: images.length, loaded: images.filter(i => i.complete && i.naturalWidth > 0).length,
    width: page.documentElement.clientWidth, needed: page.documentElement.scrollWidth,
    menus: plots.map(plot => [
      plot.querySelectorAll('.main-svg').length > 0,
      (plot.layout.updatemenus || []).flatMap(menu => menu.buttons.map(button => button.label)),
      (plot.layout.sliders || []).flatMap(slider => slider.steps.map(step => step.label)),
      visible(plot).filter(Boolean).length]),
    beyond: plots.flatMap(plot => [...plot.querySelectorAll('text, .updatemenu-header')].filter(
      text => text.getBoundingClientRect().right > plot.getBoundingClientRect().right + 1)).length,
    font: parseFloat(getComputedStyle(page.querySelector('td')).fontSize),
  };

  // A table's head, clicked again and again: what stands in its rows, and which labels show.
  const table = page.querySelector('#bcgan-table2 table');
  const head = table.querySelectorAll('thead tr:last-child th .dt-column-order')[2];
  const rows = () => [...table.tBodies[0].rows].map(row => row.innerText.split(/\\s+/).join(' ').trim());
  seen.rows = [rows()];
  for (let time = 0; time < 3; time++) {
    const order = () => head.closest('th').getAttribute('aria-sort'), before = order();
    await press(head, 'click');
    await until(() => order() !== before);
    seen.rows.push(rows());
  }

  const [grids, curves] = plots;
  await press(grids.querySelector('.slider-rail-touch-rect'), 'mousedown');
  await until(() => visible(grids)[0]);
  seen.slid = visible(grids);
  await press(curves.querySelector('.updatemenu-header'), 'click');
  await until(() => curves.querySelectorAll('.updatemenu-dropdown-button').length > 3);
  const untouched = visible(curves).join();
  await press(curves.querySelectorAll('.updatemenu-dropdown-button')[3], 'click');
  await until(() => visible(curves).join() !== untouched);
  seen.chosen = [visible(curves), curves.layout.yaxis.title.text];
  page.querySelector('#bcgan-table2 td a').click();
  await until(() => page.querySelector(':target'));
  seen.target = page.querySelector(':target')?.id;
  seen.requests = f.contentWindow.performance.getEntriesByType('resource')
    .filter(entry => !entry.name.startsWith('data:')).length;
  await fetch('/seen', {method: 'POST', body: JSON.stringify(seen)});
};
</script>
"""


class Server(LocalServer):
    """Serves the probe and the page to a browser of this machine, and takes back what the probe saw."""

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Answers)
        self.files, self.seen = files, queue.Queue()


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.server.files.get(self.path)
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((found or "").encode())

    def do_POST(self):
        self.server.seen.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module", params=[400, 1280])
def seen(request, tmp_path_factory, page):
    """What a browser without a network shows of the page at one width, and does when it is clicked."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium on this machine")
    folder = tmp_path_factory.mktemp("browser")
    files = {"/probe.html": PROBE.replace("WIDTH", str(request.param)), "/report.html": page.read_text()}
    switches = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    switches += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    switches += [f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000"]
    with Server(files) as server, (folder / "log").open("w") as log:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/probe.html"
        with subprocess.Popen([browser, *switches, address], stdout=log, stderr=log) as running:
            try:
                seen = server.seen.get(timeout=120)
            finally:
                running.kill()
                server.shutdown()
    assert "CONSOLE" not in (folder / "log").read_text()
    return seen | {"asked": request.param}


def test_the_page_is_whole_in_a_browser_without_a_network(seen):
    assert seen["images"] == seen["loaded"] == 2
    assert seen["requests"] == 0
    # The page itself never scrolls sideways; wide tables and figures do so in their own boxes.
    assert seen["needed"] <= seen["width"] <= seen["asked"]
    assert seen["font"] >= 11 and seen["beyond"] == 0


def test_a_click_on_a_head_sorts_a_table_and_a_third_one_restores_it(seen):
    before, rising, falling, restored = seen["rows"]
    assert before == restored != rising
    values = [[float(re.search(r"\d+\.\d+", row)[0]) for row in rows] for rows in (before, rising, falling)]
    assert values[1] == sorted(values[0]) == values[2][::-1] and values[0] != values[1]


def test_the_slider_the_menu_and_the_links_do_what_they_say(seen):
    # The grids' slider, one picture at a time; the curves' menu of metric and source, drawn from the start.
    grids, curves = seen["menus"]
    assert grids == [True, [], ["60", "120", "180", "240"], 1]
    metrics = ["FD (embedded classifier)", "class score (embedded classifier)"]
    labels = [
        f"CelebA (proxy)<br>{metric}{source}" for metric in metrics for source in ("", " · G1", " · G2")
    ]
    assert curves == [True, labels, [], 3]  # one line of a single run, and a line with its band
    assert seen["slid"] == [True, False, False, False]
    shown, title = seen["chosen"]
    assert shown == [False] * 7 + [True] * 3 + [False] * 4 and title == "class score (embedded classifier) ↑"
    assert seen["target"] == "runs-digits-realnessgan"


def test_a_papers_claims_say_how_many_chance_would_decide():
    """Five claims in two lists, the third untested: Holm's correction is for all four together."""

    def item(paper, *claims):
        rows = [{"verdict": verdict, "p": p} for verdict, p in claims]
        return SimpleNamespace(spec=SimpleNamespace(paper=paper), claims=rows)

    items = [
        item("bcgan", ("holds", "0.01"), ("undecided", "0.6"), ("not tested at this scale", "")),
        item("bcgan", ("does not hold", "0.03"), ("holds", "0.0001")),
        item("edgan", ("not tested at this scale", "")),
    ]
    assert _by_chance(items, "bcgan") == (
        "4 tested, each at 5 %: chance alone would decide 0.2 of them; 3 decided, 2 after Holm's correction for the "
        "whole paper"
    )
    assert _by_chance(items, "edgan") == ""
