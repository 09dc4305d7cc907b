"""The table of metrics keeps to Prometheus' manners, and bounds what it labels."""

import re
from pathlib import Path

from guard.telemetry.families import BY_NAME, FAMILIES, Kind


def test_names_are_unique_and_each_histogram_has_ascending_bounds() -> None:
    assert len(BY_NAME) == len(FAMILIES)
    for family in FAMILIES:
        assert (family.kind is Kind.HISTOGRAM) == bool(family.bounds)
        assert list(family.bounds) == sorted(set(family.bounds))


def test_every_family_has_help_a_base_unit_and_a_name_that_prometheus_takes() -> None:
    for family in FAMILIES:
        assert family.text
        assert family.name.startswith("guard_")
        assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
        assert not family.name.endswith(("_ms", "_us", "_milliseconds"))
        assert "_seconds" in family.name or family.kind is not Kind.HISTOGRAM
        assert not {"key", "key_id", "account", "ip", "address"} & set(family.labels)


def test_the_document_explains_every_family_with_its_labels_and_no_other() -> None:
    document = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| `(guard_\w+)` \| ([^|]*)\|", document, re.MULTILINE)
    told = {name: tuple(label.strip() for label in labels.split(",") if label.strip()) for name, labels in rows}
    assert told == {family.name: family.labels for family in FAMILIES}
