import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
import yaml

from ganlib import evidence as book_evidence
from ganlib.claims import RUNGS, VERDICTS, register, rung
from ganlib.evidence import KINDS, evidence, flaws, lucky, main, pages, settled
from ganlib.rates import barnard, binomial, mcnemar

ROOT = Path(__file__).resolve().parents[1]
REGISTER, FOUND = register(), evidence(ROOT)
ENTRIES = list(REGISTER.values())
PAGE = "part/page"
sys.path.insert(0, str(ROOT / "tools"))
import evidence as tool  # noqa: E402

GOOD = {"id": "good", "chapter": PAGE, "topic": "t", "kind": "identity", "says": "It is so.", "status": "true"}
GOOD |= {"notes": ["001:2-3"], "card": "So it is."}
LIMITED = {**GOOD, "status": "limited", "limit": "Here it ends."}
WRONG = {**GOOD, "status": "wrong", "printed": "It is not so.", "tempting": "It looks so."}
OURS = {key: value for key, value in WRONG.items() if key != "notes"} | {"source": "book", "cites": ["key"]}
SLIP = {**GOOD, "status": "slip", "slip": "A lost sign."}
CITED = {**GOOD, "status": "cited", "cites": ["key"]}
PLAYED = {**GOOD, "kind": "empirical", "setting": "RING8, 9 turns"}
FINE = [GOOD, LIMITED, WRONG, OURS, SLIP, {**SLIP, "printed": "It is so."}, CITED, PLAYED]


def without(entry, *fields):
    return {key: value for key, value in entry.items() if key not in fields}


# The register


@pytest.mark.parametrize("entry", FINE)
def test_a_sound_entry_has_no_flaw(entry):
    assert flaws(entry) == []


FLAWED = [
    ({**GOOD, "status": "imprecise"}, "unknown status 'imprecise'"),
    ({**GOOD, "kind": "belief"}, "unknown kind 'belief'"),
    ({**GOOD, "colour": "red"}, "unknown fields: colour"),
    (without(GOOD, "says"), "lacks says"),
    (without(GOOD, "notes"), "either the lines of the notes or source: book"),
    ({**GOOD, "source": "book"}, "either the lines of the notes or source: book"),
    ({**LIMITED, "printed": "No."}, "two second evidences"),
    ({**WRONG, "limit": "Here."}, "two second evidences"),
    ({**GOOD, "limit": "Here."}, "limit, which true claims have not"),
    ({**GOOD, "printed": "No."}, "printed, which true claims have not"),
    ({**LIMITED, "slip": "A sign."}, "slip, which limited claims have not"),
    (without(OURS, "cites"), "printed without a warrant"),
    (without(LIMITED, "limit"), "a card and no limit"),
    (without(WRONG, "printed"), "a card and no printed"),
    (without(WRONG, "tempting"), "a card and no tempting"),
    (without(SLIP, "slip"), "a card and no slip"),
    (without(CITED, "cites"), "a card and no cites"),
    (without(PLAYED, "setting"), "is empirical and names no setting"),
    ({**GOOD, "card": "So it is"}, "a card that ends wrongly"),
    ({**PLAYED, "setting": "RING8, 9 turns."}, "a setting that ends wrongly"),
    ({**GOOD, "card": "a" * 140 + "."}, "not one plain sentence"),
    ({**GOOD, "card": "$V$ is so."}, "not one plain sentence"),
]


@pytest.mark.parametrize(("entry", "fault"), FLAWED, ids=[fault for _, fault in FLAWED])
def test_a_flaw_is_said_with_the_name_of_the_claim(entry, fault):
    found = flaws(entry)
    assert all(line.startswith("good ") for line in found)
    assert sum(fault in line for line in found) == 1 and len(found) <= 2


def test_a_citation_needs_no_setting():
    assert flaws({**CITED, "kind": "empirical"}) == []


def test_an_entry_without_a_card_waits_for_what_a_card_needs():
    assert flaws(without({**LIMITED, "kind": "empirical"}, "limit", "card")) == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_every_entry_of_the_register_is_sound(entry):
    assert flaws(entry) == []


def failing(condition, entries=ENTRIES):
    return [entry["id"] for entry in entries if not condition(entry)]


def test_every_claim_has_an_id_of_its_own_and_a_place_of_its_own():
    ids = [e["id"] for e in yaml.safe_load((ROOT / "ganlib" / "claims.yml").read_text(encoding="utf-8"))]
    assert [id for id, count in Counter(ids).items() if count > 1] == []
    assert list(REGISTER) == ids
    assert failing(lambda entry: re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry["id"])) == []
    assert [id for id in ids if re.sub(r"(-printed|-limit)?(-\d+)?$", "", id) in set(ids) - {id}] == []


def test_the_notes_make_268_claims_and_each_names_its_lines():
    theirs = [entry for entry in ENTRIES if "notes" in entry]
    assert len(theirs) == 268
    assert (
        failing(lambda entry: all(re.fullmatch(r"00[0-4]:\d+(-\d+)?", line) for line in entry["notes"]), theirs) == []
    )


def test_every_value_says_something_and_every_page_is_of_a_part():
    assert failing(lambda entry: all(value for value in entry.values())) == []
    parts = {"likelihood", "game", "wasserstein", "images", "evidence"}
    assert failing(lambda entry: re.fullmatch(rf"({'|'.join(parts)})/[a-z][a-z0-9_]*", entry["chapter"])) == []
    assert {entry["kind"] for entry in ENTRIES} == KINDS


def test_every_reference_of_a_claim_is_in_the_bibliography():
    keys = re.findall(r"^@\w+\{(\S+),", (ROOT / "chapters" / "references.bib").read_text(encoding="utf-8"), re.M)
    assert keys and failing(lambda entry: set(entry.get("cites", [])) <= set(keys)) == []
    cited = {key for records in FOUND.values() for record in records for key in record.get("keys", [])}
    assert cited <= set(keys)


# Settled


def record(*, role="card", page=PAGE, kind="close", rung="one case"):
    return {"role": role, "page": page, "kind": kind, "rung": rung}


CARD, LIMIT, PRINTED = record(), record(role="limit"), record(role="printed")
BY_CITATION, ELSEWHERE = record(kind="cited", rung="by citation"), record(page="part/other")
SETTLED = [
    (GOOD, [[CARD], [CARD, CARD], [BY_CITATION, CARD]], [[], [ELSEWHERE], [BY_CITATION]]),
    (LIMITED, [[CARD, LIMIT], [LIMIT, CARD]], [[], [CARD], [LIMIT], [CARD, PRINTED], [ELSEWHERE, LIMIT]]),
    (WRONG, [[CARD, PRINTED]], [[CARD], [PRINTED], [CARD, LIMIT], [CARD, record(role="printed", page="part/other")]]),
    (SLIP, [[CARD]], [[], [PRINTED]]),
    ({**SLIP, "printed": "So."}, [[CARD, PRINTED]], [[CARD]]),
    (CITED, [[BY_CITATION]], [[CARD], [BY_CITATION, CARD], []]),
]


@pytest.mark.parametrize(("entry", "enough", "not_enough"), SETTLED)
def test_a_claim_is_settled_on_its_page_by_all_that_its_status_asks(entry, enough, not_enough):
    assert [records for records in enough if not settled(entry, records)] == []
    assert [records for records in not_enough if settled(entry, records)] == []


@pytest.mark.parametrize("low", RUNGS)
def test_the_rung_of_a_claim_is_the_highest_of_its_own_card(low):
    records = [record(rung=low), record(role="limit", rung="rebuilt"), record(rung="by citation")]
    assert book_evidence.rung(records) == low


# A book


def write(root, page, records):
    path = root / "chapters" / f"{page}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    outputs = [{"output_type": "display_data", "data": {}, "metadata": {"ganlib": one}} for one in records]
    cells = [
        {"cell_type": "markdown", "source": "# T"},
        {"cell_type": "code", "outputs": [{"name": "stdout"}, *outputs]},
    ]
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")


def evidence_of(id, **how):
    return {"claim": id, **without(record(**how), "page")}


SMALL = {entry["status"]: {**entry, "id": entry["status"]} for entry in (GOOD, LIMITED, WRONG, SLIP, CITED)}
SMALL["todo"] = {**without(GOOD, "card"), "id": "todo"}


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of two chapters and a page without a notebook; a third notebook is not in its contents."""
    monkeypatch.setattr(book_evidence, "register", lambda: SMALL)
    files = [{"file": f"chapters/{page}"} for page in (PAGE, "part/other", "glossary")]
    toc = {"root": "intro", "parts": [{"chapters": files[:2]}, {"chapters": files[2:]}]}
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    here = [evidence_of("true"), evidence_of("wrong"), evidence_of("wrong", role="printed"), evidence_of("limited")]
    write(tmp_path, PAGE, here)
    write(tmp_path, "part/other", [evidence_of("slip")])
    write(tmp_path, "part/unlisted", [evidence_of("limited", role="limit")])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_pages_are_those_of_the_contents_in_their_order(book):
    assert pages(book) == ["chapters/part/page", "chapters/part/other", "chapters/glossary"]


def test_the_evidence_is_what_the_listed_notebooks_recorded(book):
    found = {id: [(r["page"], r["role"]) for r in records] for id, records in evidence(book).items()}
    assert found == {
        "true": [(PAGE, "card")],
        "wrong": [(PAGE, "card"), (PAGE, "printed")],
        "limited": [(PAGE, "card")],
        "slip": [("part/other", "card")],
    }


def test_the_command_lists_every_claim_and_counts_last(book, capsys):
    assert main([]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "settled 2 of 6"
    assert [line.split()[0] for line in lines] == list(SMALL)
    said = {line.split()[0]: " ".join(line.split()[1:-1]) for line in lines}
    right = {"true": "holds one case", "wrong": "does not hold as the source has it one case"}
    assert said == dict.fromkeys(SMALL, "not settled yet") | right
    assert {line.split()[-1] for line in lines} == {PAGE}


def test_the_books_own_claims_are_counted_apart(book, capsys, monkeypatch):
    ours = without(GOOD, "notes") | {"id": "ours", "source": "book", "chapter": "part/other"}
    monkeypatch.setitem(SMALL, "ours", ours)
    write(book, "part/other", [evidence_of("ours")])
    assert main([]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["claims of the book's own: settled 1 of 1", "settled 2 of 6"]


def test_the_command_may_be_asked_for_one_page(book, capsys, monkeypatch):
    monkeypatch.setitem(SMALL, "elsewhere", {**GOOD, "id": "elsewhere", "chapter": "part/other"})
    assert main(["--page", "part/other"]) == 0
    line, last = capsys.readouterr().out.splitlines()
    assert (line.split(), last) == (["elsewhere", "not", "settled", "yet", "part/other"], "settled 0 of 1")


def test_the_command_works_in_a_folder_of_the_book(book, capsys, monkeypatch):
    monkeypatch.chdir(book / "chapters" / "part")
    assert main([]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "settled 2 of 6"


@pytest.mark.parametrize("arguments", [["--page"], ["part/page"], ["--page", "a", "b"], ["--help"]])
def test_another_use_of_the_command_is_an_error(book, capsys, arguments):
    assert main(arguments) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.startswith("usage: ")


def test_a_page_without_a_claim_is_an_error(book, capsys):
    assert main(["--page", "no/page"]) == 2
    assert capsys.readouterr().err == "no claim is given to the page no/page\n"


def test_outside_a_book_the_command_says_where_to_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wanted = f"expected to be in the book's folder, one with _toc.yml; got {tmp_path}"
    with pytest.raises(ValueError, match=re.escape(wanted)):
        main([])


def test_the_command_counts_this_book():
    done = subprocess.run([sys.executable, "-m", "ganlib.claims"], cwd=ROOT, capture_output=True, text=True, check=True)
    count = sum(settled(e, FOUND.get(e["id"], [])) for e in ENTRIES if "notes" in e)
    assert done.stdout.splitlines()[-1] == f"settled {count} of 268"
    assert done.stderr == ""


# This book's evidence


RECORDS = [record for records in FOUND.values() for record in records]
RATES = [record for record in RECORDS if record["kind"] == "rate"]


def test_every_record_is_of_a_claim_with_a_card_and_on_the_rung_that_it_carries():
    assert RECORDS
    assert [r["anchor"] for r in RECORDS if "card" not in REGISTER.get(r["claim"], {})] == []
    assert [r["anchor"] for r in RECORDS if r["rung"] != rung(r)] == []


def test_every_claim_with_a_card_is_settled():
    with_card = [entry for entry in ENTRIES if "card" in entry]
    assert failing(lambda entry: settled(entry, FOUND.get(entry["id"], [])), with_card) == []


def exact(record):
    """The p-value again, from the counts."""
    if "split" in record:
        return mcnemar(*record["split"])
    if "other" in record:
        return barnard(record["k"], record["n"], *record["other"])
    return binomial(record["k"], record["n"], **{record["side"]: record["share"]})


def test_a_stored_rate_has_the_p_value_of_its_counts():
    wrong = [r["anchor"] for r in RATES if r["p"] != pytest.approx(exact(r), rel=1e-9, abs=1e-300)]
    assert RATES and wrong == []
    assert [r["anchor"] for r in RATES if not r["figures"].startswith(f"{r['k']} of {r['n']} {r['of']}")] == []


def test_the_rates_of_the_book_pass_holm_together():
    count, weak = lucky(FOUND)
    assert count == len(RATES) > 0
    assert weak == []


def rate_of(id, p):
    return {"claim": id, "kind": "rate", "p": p, "page": PAGE, "what": "it", "figures": "3 of 4", "bound": "more"}


def test_a_rate_that_may_be_luck_is_named():
    found = {"sure": [rate_of("sure", 1e-6), {"kind": "close"}], "luck": [rate_of("luck", 0.03), rate_of("luck", 0.04)]}
    count, weak = lucky(found)
    assert count == 3 and len(weak) == 2
    assert weak[0] == "luck on part/page: it, 3 of 4, asked more; p = 0.03"
    assert lucky({"one": [rate_of("one", 0.04)]}) == (1, [])


# The pages of evidence


def test_a_book_with_a_lucky_rate_is_not_built(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(tool, "FOLDER", tmp_path / "evidence")
    monkeypatch.setattr(tool, "evidence", lambda root: FOUND | {"luck": [rate_of("luck", 0.2)]})
    assert tool.main() == 1
    assert "luck on part/page" in capsys.readouterr().err
    assert not (tmp_path / "evidence").exists()


@pytest.fixture
def made(monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "FOLDER", tmp_path / "evidence")
    assert tool.main() == 0
    return tmp_path / "evidence"


SCHEMA = json.loads((ROOT / "tools" / "claims.schema.json").read_text(encoding="utf-8"))


def test_claims_json_is_as_its_schema_says(made):
    claims = json.loads((made / "claims.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(claims, SCHEMA)
    assert [claim["id"] for claim in claims] == list(REGISTER)
    for claim in claims:
        assert claim["verdict"] in ("not settled yet", VERDICTS[REGISTER[claim["id"]]["status"]])


@pytest.mark.parametrize(
    "change", [{"status": "imprecise"}, {"rung": ""}, {"evidence": []}, {"more": 1}, {"link": "x"}]
)
def test_the_schema_refuses_what_it_does_not_name(made, change):
    claims = json.loads((made / "claims.json").read_text(encoding="utf-8"))
    one = next(claim for claim in claims if claim["evidence"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([one | change], SCHEMA)


def test_the_errata_are_of_the_sources_alone(made):
    ids = set(re.findall(r'<h4 id="([^"]+)"', (made / "errata.md").read_text(encoding="utf-8")))
    mistaken = {e["id"] for e in ENTRIES if e["status"] in ("wrong", "slip") and "notes" in e and "card" in e}
    assert ids == mistaken != set()


def test_the_map_has_every_page_with_its_number_and_its_claims():
    parts = [
        {
            "caption": "I. A",
            "chapters": [{"file": "chapters/game/a", "title": "One & two"}, {"file": "chapters/game/b", "title": "B"}],
        },
        {"caption": "Other", "chapters": [{"file": "chapters/notation"}]},
        {"caption": "II. C", "chapters": [{"file": "chapters/images/c", "title": "C"}]},
    ]
    entries = [
        {"id": id, "chapter": page} for id, page in zip("vwxy", ["game/a", "game/a", "game/b", "images/c"], strict=True)
    ]
    made = tool.map_of(parts, entries, {"v", "w", "x"})
    assert re.findall(r'href="([^"]*)">([^<]*)</a> <small>([^<]*)<', made) == [
        ("chapters/game/a.html", "One &amp; two", "2 claims"),
        ("chapters/game/b.html", "B", "1 claim"),
        ("chapters/images/c.html", "C", "0 claims"),
    ]
    assert re.findall(r'start="(\d)"', made) == ["1", "3"] and "Other" not in made
