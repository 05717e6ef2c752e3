"""The page in a real browser: served, and as one file."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from logs import lines
from served import SCRIPT, Served, busy_warehouse

from ingest.cli import cli

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.chrome.options import Options  # noqa: E402 - only where there is selenium
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="there is no chromium with its chromedriver here")

PANELS = [
    "totals",
    "tpm",
    "cost",
    "ranking",
    "periods",
    "models",
    "performance",
    "prices",
    "unpriced",
    "limits",
    "told",
]
PANELS += ["errors", "retries", "coverage", "lag"]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    warehouse = busy_warehouse(tmp_path_factory.mktemp("w"))
    Path(warehouse, "limits.toml").write_text("[[limit]]\nmodel = 'tiny'\ntpm = 90_000\n")  # as OpenAI told of gpt-5.2
    return warehouse


@pytest.fixture(scope="module")
def places(warehouse, tmp_path_factory):
    """Return where the page is: served, and as a file that has a model with a script for a name in it."""
    file = tmp_path_factory.mktemp("page") / "page.html"
    result = CliRunner().invoke(cli, ["page", str(file), "-w", warehouse, "--tz", "UTC", "--by", "model"])
    assert result.exit_code == 0, result.output
    with Served(warehouse) as running:
        yield {"served": f"{running.url}/?tz=UTC", "file": file.as_uri()}


@pytest.fixture(scope="module")
def browser():
    options = Options()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(params=["served", "file"])
def page(request, browser, places):
    """The page in both forms, wide, loaded, and without a word on the console."""
    opened = Page(browser, places[request.param])
    yield opened
    assert opened.complaints() == []


@pytest.fixture
def served_page(browser, places):
    opened = Page(browser, places["served"])
    yield opened
    assert opened.complaints() == []


class Page:
    """A page in a browser."""

    def __init__(self, browser, url):
        self.browser = browser
        self.look(1_280)
        browser.get_log("browser")
        browser.get("about:blank")  # so that a file that is open already is opened anew
        browser.get(url)
        self.loaded()

    def look(self, width, scheme="light"):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        features += [{"name": "prefers-reduced-motion", "value": "reduce"}]  # a click hits nothing that still moves
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def loaded(self, after=0):
        """Wait until everything that was asked is there; return how often that was so."""
        self.until(lambda: int(self.run("return document.body.dataset.loaded || 0")) > after)
        return int(self.run("return document.body.dataset.loaded"))

    def until(self, happened):
        WebDriverWait(self.browser, 120).until(lambda _: happened())

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.find(selector).text

    def mouse(self, *events):
        """Do each of *events* at a share of the width of the curve."""
        box = self.run("return document.querySelector('#tpm svg').getBoundingClientRect().toJSON()")
        for kind, share in events:
            at = {"x": box["left"] + box["width"] * share, "y": box["top"] + 50, "button": "left", "buttons": 1}
            self.browser.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": kind, "clickCount": 1} | at)

    def complaints(self):
        return [entry["message"] for entry in self.browser.get_log("browser")]


def test_every_panel_says_something_and_nothing_comes_from_elsewhere(page):
    for panel in PANELS:
        assert (
            page.run(
                "return document.getElementById(arguments[0]).querySelectorAll('.failed, [aria-busy]').length", panel
            )
            == 0
        )
        assert len(page.text(f"#{panel}").splitlines()) > 1, panel
    fetched = page.run("return performance.getEntriesByType('resource').map((entry) => new URL(entry.name).origin)")
    assert set(fetched) <= {page.run("return location.origin")}
    assert "Calls\n300" in page.text("#totals")
    assert "Failures\n1" in page.text("#totals")


def test_names_are_text_whatever_is_in_them(page):
    assert page.run("return document.querySelectorAll('main img, svg image').length") == 0
    assert page.run("return document.title") != "hacked"
    assert SCRIPT in page.text("#models")
    assert SCRIPT in page.text("#tpm .legend")
    assert SCRIPT in page.text("#errors")


def test_a_minute_is_drilled_by_the_keyboard_alone(page):
    picture = page.find("#tpm svg")
    page.run("arguments[0].focus()", picture)
    picture.send_keys("p")
    assert "tokens" in picture.get_attribute("aria-valuetext")
    picture.send_keys(Keys.ENTER)
    page.until(lambda: page.run("return document.activeElement.id") == "burst")
    page.until(lambda: page.run("return document.querySelectorAll('#burst tbody tr').length") == 1)
    assert page.text("#h-burst").startswith("Calls of ")
    assert page.run("return document.querySelector('#burst td.number:nth-of-type(3)') !== null")


def test_a_click_on_a_minute_shows_its_calls_and_their_sql(served_page):
    served_page.mouse(("mousePressed", 0.5), ("mouseReleased", 0.5))
    served_page.until(lambda: served_page.run("return document.querySelectorAll('#burst tbody tr').length") > 0)
    served_page.find("#burst footer summary").click()
    served_page.until(lambda: "from burst(" in served_page.text("#burst pre"))
    assert "format=csv" in served_page.find("#burst footer a").get_attribute("href")


def test_a_drag_over_the_curve_narrows_the_window(served_page):
    served_page.mouse(("mousePressed", 0.4), ("mouseMoved", 0.5), ("mouseMoved", 0.6), ("mouseReleased", 0.6))
    served_page.loaded(1)
    assert "since=2026-02-0" in served_page.run("return location.search")
    assert served_page.find("#window").get_attribute("value") == "own"
    assert served_page.find("#since").get_attribute("value").startswith("2026-02-0")
    assert "Calls\n300" not in served_page.text("#totals")
    served_page.find("#zoom-out").click()
    served_page.loaded(2)
    assert "Calls\n300" in served_page.text("#totals")


def pick_model(page, model):
    """Choose *model* in the filter, or no longer."""
    if not page.find("#pick-model").get_attribute("open"):
        page.find("#pick-model summary").click()
    page.until(lambda: len(page.browser.find_elements(By.CSS_SELECTOR, "#pick-model input")) == 4)
    boxes = page.browser.find_elements(By.CSS_SELECTOR, "#pick-model input")
    labels = [box.find_element(By.XPATH, "..").text for box in boxes]
    boxes[labels.index(model)].click()


def test_a_file_turns_to_the_calls_of_one_model_and_back(browser, places):
    opened = Page(browser, places["file"])
    pick_model(opened, SCRIPT)
    opened.loaded(1)
    assert "Calls\n60" in opened.text("#totals")
    assert len(opened.browser.find_elements(By.CSS_SELECTOR, "#models tbody tr")) == 1
    opened.find("#models td button").click()
    opened.until(lambda: opened.run("return document.querySelectorAll('#burst tbody tr').length") == 1)
    pick_model(opened, SCRIPT)
    opened.loaded(2)
    assert "Calls\n300" in opened.text("#totals")
    assert opened.complaints() == []


def test_a_filter_narrows_every_panel_and_is_in_the_address(served_page):
    pick_model(served_page, SCRIPT)
    served_page.loaded(1)
    assert "model=" in served_page.run("return location.search")
    assert "Calls\n60" in served_page.text("#totals")
    assert len(served_page.browser.find_elements(By.CSS_SELECTOR, "#models tbody tr")) == 1
    served_page.browser.back()
    served_page.loaded(2)
    assert "Calls\n300" in served_page.text("#totals")


def test_what_a_commit_brings_is_on_the_page_soon(browser, tmp_path):
    log, warehouse = tmp_path / "maestro.log", tmp_path / "w"

    def backfill(calls):
        log.write_bytes(lines(*range(1, calls + 1)))
        assert CliRunner().invoke(cli, ["backfill", str(log), "-w", str(warehouse)]).exit_code == 0

    backfill(1)
    with Served(warehouse) as running:
        opened = Page(browser, running.url)
        opened.until(lambda: "1 calls" in opened.text("#live"))
        assert "Calls\n1\n" in opened.text("#totals")
        backfill(3)
        opened.until(lambda: "Calls\n3\n" in opened.text("#totals"))
        opened.run("document.getElementById('lag').scrollIntoView()")
        opened.until(lambda: " 3 " in opened.text("#lag"))
        assert opened.complaints() == []
        browser.get("about:blank")


def test_what_no_call_has_is_said_above_everything(browser, places):
    opened = Page(browser, places["served"])
    browser.get(places["served"] + "&model=nobody")
    opened.until(lambda: opened.find("#trouble").is_displayed())
    assert "no call has model 'nobody'" in opened.text("#trouble")
    opened.complaints()  # the browser notes each answer of 400


def test_picks_change_the_picture_the_ranking_and_the_limits(page):
    page.run("const s = document.getElementById('stack-by'); s.value = 'agent'; s.dispatchEvent(new Event('change'))")
    page.until(lambda: "coder-000" in page.text("#cost .legend"))
    page.run("const s = document.getElementById('rank-by'); s.value = 'user'; s.dispatchEvent(new Event('change'))")
    page.until(lambda: "user-1" in page.text("#ranking"))
    field = page.find("#limit")
    field.send_keys("80k" + Keys.ENTER)
    page.until(lambda: "limit 80,000" in page.run("return document.querySelector('#tpm svg').textContent"))
    assert "TPM 90,000" in page.run("return document.querySelector('#tpm svg').textContent")


def test_the_limits_of_ones_own_account_are_drawn_each_once(page):
    lines = page.run("return [...document.querySelectorAll('#tpm svg text.limit')].map((text) => text.textContent)")
    assert lines in (["gpt-5.2, tiny-local: TPM 90,000"], ["tiny-local, gpt-5.2: TPM 90,000"])


def test_a_limit_says_who_would_have_waited(served_page):
    served_page.find("#limit").send_keys("1000" + Keys.ENTER)
    served_page.until(lambda: "throttled calls" in served_page.text("#limits"))


@pytest.mark.parametrize("width", [400, 700, 900, 1_100, 1_600])
def test_no_width_makes_the_page_wider_than_the_screen(page, width):
    page.look(width)
    page.until(lambda: page.run("return document.querySelector('#tpm svg').viewBox.baseVal.width") <= width)
    assert page.run("return document.documentElement.scrollWidth") <= width


def test_dark_and_light_are_what_the_reader_prefers(page):
    grounds = {}
    for scheme in "light", "dark":
        page.look(1_280, scheme)
        colours = "const s = getComputedStyle(document.querySelector('#tpm')); return [s.backgroundColor, s.color]"
        grounds[scheme] = [sum(map(int, c[4:-1].split(","))) for c in page.run(colours)]
    (light, dark_ink), (dark, light_ink) = grounds["light"], grounds["dark"]
    assert min(light, light_ink) > 600
    assert max(dark, dark_ink) < 200


def test_everything_that_can_be_used_has_a_name(page):
    tree = page.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    used = {"button", "link", "checkbox", "combobox", "textbox", "slider", "DisclosureTriangle", "Date", "InputTime"}
    nodes = [node for node in tree if not node.get("ignored") and node.get("role", {}).get("value") in used]
    assert len(nodes) > 40
    assert [json.dumps(node) for node in nodes if not node.get("name", {}).get("value", "").strip()] == []


def test_a_file_is_the_same_page_and_says_what_it_holds(browser, places):
    opened = Page(browser, places["file"])
    said = opened.text("#fixed")
    href = opened.find("#ranking footer a").get_attribute("href")
    assert "all calls" in said
    assert href.startswith("blob:")
    opened.find("#ranking footer summary").click()
    opened.until(lambda: "from cost_by(" in opened.text("#ranking pre"))
