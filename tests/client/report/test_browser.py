"""The pages in a browser, opened from a disk; skipped where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request
else:
    pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("there is no Chromium here", allow_module_level=True)
# WebGL without a graphics card.
_FLAGS = [
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--use-gl=angle",
    "--use-angle=swiftshader",
]
NAME = "<img src=x onerror=alert(1)>&\"'{{ 7*7 }} "
Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, report: Path) -> Iterator[Open]:
    """Opens a page of the report; at the end, nothing may have gone wrong in it."""
    said: list[str] = []
    context = browser.new_context()

    def opened(name: str = "index.html", width: int = 1280, scheme: str = "light") -> Page:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("requestfailed", lambda r: said.append(f"{r.url} failed") if lost(r) else None)
        page.on("dialog", lambda dialog: said.append("a script of a file name ran"))
        page.on("request", lambda r: said.append(r.url) if r.url.startswith("http") else None)
        page.goto(f"{report.parent.as_uri()}/{name}")
        return page

    yield opened
    context.close()
    assert said == []


def lost(request: Request) -> bool:
    """Not so a picture that the browser no longer waits for, since the page was left."""
    return request.failure != "net::ERR_ABORTED"


def names(page: Page) -> list[str]:
    return [
        text.removeprefix(NAME)
        for text in page.locator("#table tbody th a:not(.button)").all_inner_texts()
    ]


def slug_of(report: Path, number: int) -> str:
    return sorted(path.stem for path in (report.parent / "scans").iterdir())[number]


def test_the_table_is_paged_sorted_and_filtered(open_page: Open) -> None:
    page = open_page()
    assert page.locator("#count").inner_text() == "53 scans"
    assert names(page) == [f"{n:02d}" for n in range(50)]
    page.click("text=Next →")
    assert names(page) == ["50", "51", "52"]
    page.click("th[data-key=seconds] button")
    assert names(page)[:2] == ["52", "51"]
    page.click("th[data-key=quality] button")
    assert names(page)[0] == "00"
    page.click("th[data-key=name] button")
    page.click("th[data-key=name] button")
    assert page.locator("th[data-key=name]").get_attribute("aria-sort") == "descending"
    assert names(page)[0] == "52"
    page.check("#only-far")
    assert names(page) == ["03"]
    page.uncheck("#only-far")
    page.check("#only-warned")
    assert names(page) == ["01"]
    page.uncheck("#only-warned")
    page.fill("#search", "onerror=ALERT(1)>&\"'{{ 7*7 }} 4")
    assert page.locator("#count").inner_text() == "10 of 53 scans"


def test_a_measure_is_chosen_drawn_and_sorted_by(open_page: Open) -> None:
    page = open_page()
    page.select_option("#measure", label="asymmetry of cerebral white matter")
    assert page.locator("#chart circle").count() == 53
    assert page.locator("#chart circle.far").count() == 1
    page.click("#chosen button")
    page.click("#chosen button")
    assert names(page)[0] == "03"
    cell = page.locator("#table tbody tr").first.locator(".chosen")
    assert cell.evaluate("cell => cell.classList.contains('is-far')")
    assert "z \u2212" in cell.inner_text()


def test_everything_can_be_reached_and_used_with_the_keyboard(open_page: Open) -> None:
    page = open_page()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.closest('[data-key]')?.dataset.key"
                " ?? document.activeElement.id"
            )
        )
        width = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert width != "none", reached
    assert [
        name for name in reached if name in ("measure", "search", "only-far", "only-warned", "name")
    ][:5] == ["measure", "search", "only-far", "only-warned", "name"]
    page.focus("th[data-key=seconds] button")
    page.keyboard.press("Enter")
    assert names(page)[0] == "52"
    page.locator("#table tbody th a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/scans/**")
    assert page.locator("h1").inner_text() == f"{NAME}52".strip()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_scan_shows_slices_and_contours_that_can_be_hidden(
    open_page: Open, report: Path, scheme: str
) -> None:
    page = open_page(f"scans/{slug_of(report, 3)}.html", scheme=scheme)
    tile = page.locator(".tile").nth(2)
    with_contours = tile.screenshot()
    page.focus("#contours")
    page.keyboard.press("Space")
    assert tile.screenshot() != with_contours
    assert page.locator("svg .contours").first.is_hidden()
    before = tile.bounding_box()
    page.check("#large")
    after = tile.bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] > 1.4 * before["width"]
    page.click("text=Next →")
    assert page.locator("h1").inner_text() == f"{NAME}04"


@pytest.mark.parametrize("name", ["index.html", "scan", "viewer.html"])
def test_pages_fit_a_telephone(open_page: Open, report: Path, name: str) -> None:
    slug = slug_of(report, 0)
    page = open_page(f"scans/{slug}.html" if name == "scan" else name, width=400)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('p, td, th, dd, label, a')]"
        ".filter(e => e.offsetParent).map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= 12


def test_without_scripts_the_table_is_whole(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("#table tbody tr").count() == 53
    assert page.locator("#filters").is_hidden()
    context.close()


def test_the_viewer_shows_scan_and_labels_and_names_what_is_pointed_at(
    open_page: Open, report: Path
) -> None:
    page = open_page(f"viewer.html#{slug_of(report, 0)}")
    page.wait_for_selector("body[data-ready]", timeout=120_000)
    assert page.locator("h1").inner_text() == f"{NAME}00"
    page.wait_for_timeout(1000)
    shown = page.locator("#canvas").screenshot()
    page.focus("#canvas")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.getElementById('place').textContent.includes('mm')")
    assert "white matter" in page.locator("#place").inner_text()
    page.fill("#opacity", "0")
    page.wait_for_timeout(500)
    assert page.locator("#canvas").screenshot() != shown


def test_the_viewer_without_data_says_so(browser: Browser, report: Path) -> None:
    page = browser.new_page()
    page.goto(f"{report.parent.as_uri()}/viewer.html#no-such-scan")
    page.wait_for_function("document.getElementById('told').textContent.includes('no data')")
    page.goto("about:blank")
    page.goto(f"{report.parent.as_uri()}/viewer.html#../../etc")
    page.wait_for_function("document.getElementById('told').textContent.includes('No scan')")
    page.close()
