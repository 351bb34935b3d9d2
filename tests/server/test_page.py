"""The chat page in a real headless Chromium: what people do on it, and what must never happen."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.format import quantity
from tests.server.live import FLAGS, need_browser, served

pytest.importorskip("playwright", reason="playwright is not installed (extra `test`)")

QUESTION = "best model for 1e22 FLOPs on 8 H100s"
HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
SECONDS = 30_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    need_browser()
    with served(tmp_path_factory.mktemp("page")) as found:
        yield found


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=need_browser(), args=FLAGS)
        yield running
        running.close()


class Faults:
    """What went wrong in a page: script errors, refusals of the policy, requests to elsewhere, and any script of a stranger."""

    def __init__(self, page: Any, address: str) -> None:
        self.seen: list[str] = []
        page.on("pageerror", lambda error: self.seen.append(f"error {error}"))
        page.on("console", lambda message: self.seen.append(message.text) if "Content Security Policy" in message.text else None)
        page.on("dialog", lambda dialog: self.seen.append("a dialog opened"))
        page.on(
            "request",
            lambda request: None if request.url.startswith((address, "data:", "blob:")) else self.seen.append(f"asked {request.url}"),
        )


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    contexts: list[Any] = []
    faults: list[Faults] = []

    def opened(path: str = "/", **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})
        context.set_default_timeout(SECONDS)
        page = context.new_page()
        contexts.append(context)
        faults.append(Faults(page, address))
        page.goto(address + path)
        return page

    yield opened
    strange = [context.pages[0].evaluate("window.pwned ?? null") for context in contexts if context.pages]
    for context in contexts:
        context.close()
    assert [item for fault in faults for item in fault.seen] == []
    assert not any(strange)


def until(page: Any, expression: str) -> None:
    """Wait until an expression holds; polled from outside, because the page's policy forbids what playwright's own wait evaluates."""
    end = time.monotonic() + SECONDS / 1000
    while not page.evaluate(expression):
        if time.monotonic() > end:
            raise AssertionError(f"never came true: {expression}")
        page.wait_for_timeout(20)


def ask(page: Any, text: str = QUESTION) -> Any:
    """Ask and wait for the answer; gives the last turn."""
    before = page.locator(".turn .actions").count()
    page.fill("#question", text)
    page.keyboard.press("Enter")
    until(page, f"document.querySelectorAll('.turn .actions').length > {before}")
    return page.locator(".turn").last


def serious(page: Any) -> list[str]:
    """What axe-core finds of serious or critical impact."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{item['id']}: {item['nodes'][0]['html'][:160]}" for item in found if item["impact"] in ("serious", "critical")]


def test_first_paint_and_weight(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.wait_for_selector(".examples")
    ask(page)
    page.locator(".drawing svg").first.wait_for()
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    weight = page.evaluate(
        "[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]"
        ".filter((entry) => !entry.name.includes('/v1/')).reduce((sum, entry) => sum + entry.transferSize, 0)"
    )
    print(f"first paint {paint:.0f} ms, weight with figures {weight / 1e6:.2f} MB")
    assert paint < 2000  # 0.5 s where the machine is not shared; several test processes may share this one
    assert weight < 1_500_000


def test_an_answer_with_its_steps_and_where_a_number_comes_from(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.evaluate(
        "window.jumps = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) jumps += entry.value; })"
        ".observe({ type: 'layout-shift', buffered: true })"
    )
    turn = ask(page)
    assert re.search(r"Train \d.* params on .* tokens", turn.locator(".headline").inner_text())
    assert turn.locator(".chips").inner_text().replace("\n", " ").startswith("task allocate compute 1e22 FLOP")
    turn.locator(".steps > summary").click()
    assert turn.locator(".steps ol > li").count() >= 5
    number = turn.locator(".card .number").first
    number.click()
    how = turn.locator(".card .how").first.inner_text()
    assert "Law" in how
    assert "Formula" in how
    assert "Source" in how
    assert number.get_attribute("aria-expanded") == "true"
    assert page.evaluate("window.jumps") < 0.1


def test_asking_back_and_answering_in_the_form(open_page: Callable[..., Any]) -> None:
    page = open_page()
    turn = ask(page, "what is the best model size?")
    form = turn.locator("form.needs")
    form.get_by_role("button", name="Go on").click()
    assert "at least one" in form.inner_text()
    form.get_by_label("compute").fill("so much")
    form.get_by_role("button", name="Go on").click()
    form.locator("[aria-invalid=true]").wait_for()
    form.get_by_label("compute").fill("1e22 FLOPs")
    form.get_by_role("button", name="Go on").click()
    page.locator(".turn").nth(1).locator(".card").wait_for()
    assert "Train" in page.locator(".headline").last.inner_text()


def test_sliders_compute_anew_and_can_be_kept_or_taken_back(open_page: Callable[..., Any]) -> None:
    page = open_page()
    turn = ask(page)
    first = turn.locator(".headline").inner_text()
    slider = turn.locator(".knob input[type=range]").first
    slider.focus()
    for count in range(1, 13):
        page.keyboard.press("ArrowRight")
        until(page, f"performance.getEntriesByName('flopwise.slider').length >= {count}")
    times = page.evaluate("performance.getEntriesByName('flopwise.slider').map((entry) => entry.duration)")
    print(f"slider to numbers: median {np.median(times):.0f} ms, p95 {np.percentile(times, 95):.0f} ms")
    assert np.median(times) < 500  # under 100 ms at p95 on two free cores; several test processes may share these
    assert turn.locator(".headline").inner_text() != first
    turn.get_by_role("button", name="Back", exact=True).click()
    assert turn.locator(".headline").inner_text() == first
    typed = turn.get_by_label("accelerators, typed")
    typed.fill("64")
    typed.press("Enter")
    turn.get_by_role("button", name="Ask with this").click()
    page.locator(".turn").nth(1).locator(".actions").wait_for()
    assert "accelerators 64" in page.locator(".chips").last.inner_text().replace("\n", " ")


def test_chips_are_edited_in_words_also_in_german(open_page: Callable[..., Any]) -> None:
    page = open_page()
    ask(page, "Größe und Daten für ein Budget von 1,5 Mio. $ auf 512 H100")
    assert "$1.50M" in page.locator(".chips").inner_text()
    page.get_by_role("button", name="Zahl der Beschleuniger: 512. Change").click()
    field = page.locator(".chip.edit input")
    field.fill("viele")
    field.press("Enter")
    page.locator(".chip.edit [aria-invalid=true]").wait_for()
    field.fill("1.024")
    field.press("Enter")
    page.locator(".turn").nth(1).locator(".actions").wait_for()
    assert "1,024" in page.locator(".chips").last.inner_text()


# Words of the page's own chrome and what every language writes alike: law ids, names, formulas, the axes of figures.
ENGLISH = re.compile(
    r"\b(?:value|interval|from|because|expected|training (?:time|cost)|tokens? per|weights? bits|deployed|accelerators?|extrapolated|assumed|"
    r"sources|watch|follows|chosen|lowest|days|the|what|law|note|model shape|batch size|wall clock|optimizer)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (
            "Wie groß sollte das beste Modell für 1e22 FLOPs auf 8 H100s sein?",
            [
                "Aufgabe",
                "Parameter",
                "90% Intervall",
                "Trainingszeit",
                "Was daraus folgt",
                "Worauf zu achten ist",
                "Was angenommen wurde",
                "Quellen",
            ],
        ),
        ("1e22 FLOPsで最適なモデルは？H100が8台あります", ["課題", "パラメータ", "90% 区間", "学習時間", "ここから導かれること", "出典"]),
    ],
)
def test_an_answer_is_in_the_language_of_its_question(open_page: Callable[..., Any], question: str, told: list[str]) -> None:
    page = open_page()
    turn = ask(page, question)
    whole = turn.inner_text()
    assert [text for text in told if text not in whole] == []
    turn.locator(".card .number").first.click()
    turn.locator(".steps > summary").click()
    heads = "th, .chip > span, h3, .card, .card .how dt, .followed td.n, figcaption, .watch li, .steps summary b, .headline, .from .clip"
    shown = turn.evaluate(
        "(turn, heads) => [...turn.querySelectorAll(heads)].filter((item) => !item.closest('.add, .data')).map((item) => item.innerText)",
        heads,
    )
    plain = [text for text in shown if ENGLISH.search(re.sub(r"C / .*|\w*_\w*|approach 3.*", "", text))]
    assert plain == []
    headline = turn.locator(".headline").inner_text()
    slider = turn.locator(".knob input[type=range]").first
    slider.focus()
    page.keyboard.press("ArrowRight")
    until(page, f"document.querySelector('.headline').innerText !== {headline!r}")
    assert not ENGLISH.search(turn.locator(".headline").inner_text() + re.sub(r"C / .*", "", turn.locator(".card table").inner_text()))


def runs_table() -> str:
    rng = np.random.default_rng(0)
    sizes, tokens = np.meshgrid(np.geomspace(5e7, 3e9, 6), np.geomspace(1e9, 1e11, 6))
    losses = (1.8 + 480 / sizes**0.35 + 2100 / tokens**0.37) * np.exp(rng.normal(0, 0.002, sizes.shape))
    rows = [
        f'"{HOSTILE.replace(chr(34), chr(34) * 2)}",{n:.6g},{d:.6g},{loss:.6f}'
        for n, d, loss in zip(sizes.flat, tokens.flat, losses.flat, strict=True)
    ]
    return "dataset,params,tokens,loss\n" + "\n".join(rows) + "\n"


def test_a_table_with_hostile_names_is_fitted_and_asked(open_page: Callable[..., Any], tmp_path: Path) -> None:
    table = tmp_path / "<img src=x onerror='window.pwned=1'>.csv"
    table.write_text(runs_table())
    page = open_page("/#/fit")
    page.set_input_files("#runs", table)
    page.fill("#fit-draws", "100")
    page.get_by_role("button", name="Fit", exact=True).click()
    report = page.locator(".report")
    report.wait_for()
    assert "determine" in report.inner_text()
    assert "alpha" in report.inner_text()
    assert "onerror" in page.locator("#main").inner_text()  # shown as the text it is
    report.get_by_text("The law's card").click()
    report.locator(".page.law").wait_for()
    report.get_by_role("button", name="Ask with this law").click()
    page.locator(".examples").wait_for()
    turn = ask(page, "best model for 1e21 FLOPs")
    assert "Train" in turn.locator(".headline").inner_text()
    assert page.locator("img").count() == 0


def test_a_link_shows_one_plan_read_only_until_it_is_revoked(open_page: Callable[..., Any]) -> None:
    page = open_page()
    headline = ask(page).locator(".headline").inner_text()
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label("Link", exact=True).input_value()
    path = "/" + link.split("/", 3)[3]
    other = open_page(path)
    other.locator(".headline").wait_for()
    assert other.locator(".headline").inner_text() == headline
    assert not other.locator("#composer").is_visible()
    assert other.locator(".knobs, button.chip").count() == 0
    page.get_by_role("button", name="Revoke").first.click()
    until(page, "document.querySelectorAll('dialog li').length === 0")
    late = open_page(path)
    late.locator(".problem").wait_for()
    assert late.locator(".headline").count() == 0


def test_a_reload_and_a_broken_connection_in_mid_stream(open_page: Callable[..., Any]) -> None:
    page = open_page()
    held: list[Any] = []
    page.route("**/v1/turns/*/events", lambda route: held.append(route))  # never answered: the stream hangs until the reload
    page.fill("#question", "best model for 2e22 FLOPs on 16 H100s")
    page.keyboard.press("Enter")
    until(page, "sessionStorage.getItem('flopwise.turn') !== null")
    tries = 0

    def break_twice(route: Any) -> None:
        nonlocal tries
        tries += 1
        route.abort() if tries <= 2 else route.continue_()

    page.unroute_all(behavior="ignoreErrors")
    page.route("**/v1/turns/*/events", break_twice)
    page.reload()
    page.locator(".turn .actions").wait_for()
    until(page, "sessionStorage.getItem('flopwise.turn') === null")
    assert tries >= 3
    assert page.locator(".turn").count() == 1
    assert page.locator(".headline").count() == 1
    page.reload()
    page.locator(".turn .actions").wait_for()
    assert page.locator(".turn").count() == 1


def test_a_stream_cut_in_the_middle_goes_on_after_its_last_event(open_page: Callable[..., Any]) -> None:
    page = open_page()
    asked: list[str | None] = []

    def cut(route: Any) -> None:
        asked.append(route.request.headers.get("last-event-id"))
        if len(asked) > 1:
            route.continue_()
            return
        whole = route.fetch().text()
        route.fulfill(body="\n\n".join(whole.split("\n\n")[:4]) + "\n\nid: 4\nevent: st", content_type="text/event-stream")

    page.route("**/v1/turns/*/events", cut)
    turn = ask(page, "best model for 4e22 FLOPs on 32 H100s")
    assert asked == [None, "3"]
    turn.locator(".steps > summary").click()
    names = turn.locator(".steps ol > li > details > summary > b").all_inner_texts()
    assert len(names) == len(set(names)) >= 5


def test_dark_mode_by_system_and_by_choice(open_page: Callable[..., Any]) -> None:
    page = open_page("/", color_scheme="dark")
    back = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(back)
    button = page.locator("#theme")
    button.click()
    assert button.inner_text() == "Theme: light"
    assert page.evaluate(back) != dark
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    button.click()
    assert page.evaluate(back) == dark


def test_by_keyboard_alone(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.locator(".examples").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("/")
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    page.locator(".turn .actions").wait_for()
    reached: set[str] = set()
    page.evaluate("document.querySelector('#main').focus()")
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("(({ tagName, type, className }) => `${tagName} ${type ?? ''} ${className}`)(document.activeElement)"))
        if page.evaluate("document.activeElement.getAttribute('aria-label')?.startsWith('accelerators: 8')"):
            page.keyboard.press("Enter")
            assert page.evaluate("document.activeElement.tagName") == "INPUT"
            page.keyboard.press("Escape")
            assert page.evaluate("document.activeElement.className") == "chip"
    text = "\n".join(reached)
    for part in ("BUTTON button chip", "BUTTON button number", "INPUT range", "SUMMARY"):
        assert part in text


def test_stop_edit_rename_search_and_delete(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.route("**/v1/turns/*/events", lambda route: None)
    page.fill("#question", "best model for 6e22 FLOPs")
    page.keyboard.press("Enter")
    until(page, "sessionStorage.getItem('flopwise.turn') !== null")
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped").first.wait_for()
    page.unroute_all(behavior="ignoreErrors")
    ask(page, "what loss will a 7B model reach on 2T tokens?")
    page.locator(".turn").last.get_by_role("button", name="Edit the question").click()
    field = page.get_by_role("textbox", name="The question")
    field.fill("what loss will a 3B model reach on 1T tokens?")
    field.press("Enter")
    until(
        page,
        "[...document.querySelectorAll('.turn')].at(-1).dataset.text.includes('3B') && document.querySelectorAll('.turn .actions').length === 1",
    )
    row = page.locator(".thread").first
    row.hover()
    row.get_by_role("button", name="Rename").click()
    page.get_by_label("New title").fill(HOSTILE)
    page.keyboard.press("Enter")
    page.locator(".thread a", has_text="onerror").wait_for()
    page.fill("#thread-search", "onerror")
    assert page.locator(".thread").count() == 1
    page.locator(".thread").hover()
    page.get_by_role("button", name="Delete <img").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.locator(".examples").wait_for()
    page.fill("#thread-search", "")
    assert page.locator(".thread a", has_text="onerror").count() == 0


def test_hostile_words_in_a_law_and_in_a_question_stay_words(open_page: Callable[..., Any], address: str) -> None:
    page = open_page()

    def poisoned(route: Any) -> None:
        view = route.fetch().json()
        view["card"] |= {
            "title": HOSTILE,
            "summary": HOSTILE,
            "caveats": [HOSTILE],
            "arxiv": "javascript:window.pwned=1",
            "setting": HOSTILE,
        }
        view["figures"] = [{**view["figures"][0], "title": HOSTILE, "description": HOSTILE}]
        route.fulfill(json=view)

    page.route("**/v1/laws/besiroglu2024/view", poisoned)
    page.goto(f"{address}/#/laws/besiroglu2024")
    page.locator(".page.law").wait_for()
    page.locator(".drawing svg").first.wait_for()
    assert HOSTILE in page.locator("h1").inner_text()
    assert page.locator("main img, main script").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    page.goto(f"{address}/#/")
    page.locator(".examples").wait_for()
    turn = ask(page, f"{HOSTILE} best model for 1e21 FLOPs")
    assert "onerror" in turn.inner_text()
    assert page.locator("main img, main script").count() == 0


def test_laws_are_searched_and_opened(open_page: Callable[..., Any]) -> None:
    page = open_page("/#/laws")
    page.locator(".laws li").first.wait_for()
    everything = page.locator(".laws li").count()
    page.fill("#law-search", "sparsity")
    until(page, f"document.querySelectorAll('.laws li').length < {everything}")
    page.locator(".laws a[href='#/laws/frantar2023_sparsity']").click()
    page.locator(".page.law").wait_for()
    text = page.locator(".page.law").inner_text()
    assert "Relations" in text
    assert "Checks" in text
    assert "Coefficients" in text


def test_exports(open_page: Callable[..., Any]) -> None:
    page = open_page()
    headline = ask(page).locator(".headline").inner_text()
    for name, start in (("Markdown", "# best model"), ("HTML", "<!doctype html>"), ("JSON", "{")):
        page.get_by_text("Export").click()
        with page.expect_download() as caught:
            page.get_by_role("button", name=name, exact=True).click()
        text = Path(caught.value.path()).read_text()
        assert text.startswith(start)
        assert headline.split(":")[0] in text
    with page.expect_download() as caught:
        page.get_by_role("button", name="CSV").first.click()
    assert Path(caught.value.path()).read_text().startswith("params,tokens,loss,best")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_finding_of_axe(open_page: Callable[..., Any], address: str, scheme: str) -> None:
    page = open_page("/", color_scheme=scheme)
    page.locator(".examples").wait_for()
    assert serious(page) == []
    ask(page)
    page.locator(".card .number").first.click()
    page.locator(".drawing svg").first.wait_for()
    assert serious(page) == []
    for path, sign in (("/#/laws/besiroglu2024", ".page.law"), ("/#/fit", "#runs")):
        page.goto(address + path)
        page.locator(sign).wait_for()
        assert serious(page) == []


def test_a_phone_of_320_pixels(open_page: Callable[..., Any], address: str) -> None:
    page = open_page("/", viewport={"width": 320, "height": 640}, has_touch=True)
    wide = "document.documentElement.scrollWidth"
    page.locator(".examples").wait_for()
    assert page.evaluate(wide) <= 320
    ask(page)
    assert page.evaluate(wide) <= 320
    page.get_by_role("button", name="Threads and pages").click()
    page.get_by_role("link", name="Laws").click()
    page.locator(".laws li").first.wait_for()
    assert page.evaluate(wide) <= 320
    assert not page.locator("#side").is_visible()
    page.goto(f"{address}/#/laws/besiroglu2024")
    page.locator(".page.law").wait_for()
    assert page.evaluate(wide) <= 320


def test_numbers_read_the_same_as_everywhere_else(open_page: Callable[..., Any]) -> None:
    page = open_page()
    rng = np.random.default_rng(1)
    units = ["params", "tokens", "USD", "h", "s", "bytes", "FLOP", "nats/token", "", "bits", "tokens/param", "USD/h"]
    cases: list[tuple[Any, str]] = [
        (float(value), unit) for unit in units for value in 10.0 ** rng.uniform(-6, 14 if unit in ("h", "s") else 24, 40)
    ]
    cases += [(value, unit) for unit in units for value in (0, 1, 64, 1000, 999.9, 1e7, 12345678)] + [
        (True, ""),
        ("text", ""),
        ([1, 2], "bits"),
    ]
    shown = page.evaluate(
        "async (cases) => { const { quantity } = await import('/static/format.js'); return cases.map(([value, unit]) => quantity(value, unit)); }",
        cases,
    )
    wrong = [
        (value, unit, text, quantity(value, unit))
        for (value, unit), text in zip(cases, shown, strict=True)
        if text != quantity(value, unit)
    ]
    assert wrong == []
