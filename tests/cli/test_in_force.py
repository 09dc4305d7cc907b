from guard.cli.in_force import force_text, force_told
from guard.service.enforcement import InForce, NotKnown, Silent


def test_what_is_in_force_is_said_with_the_nodes_and_the_time() -> None:
    assert force_text("Done", InForce(nodes=1, after_ms=9)) == "Done, in force on 1 node after 9 ms."
    assert force_text("Done", InForce(nodes=0, after_ms=0)) == "Done. No gateway is running."


def test_what_is_not_known_is_said_exactly() -> None:
    silent = NotKnown(nodes=2, after_ms=1000, silent=(Silent(node="a:1", until_ms=900),))
    assert force_text("Done", silent).splitlines() == [
        "Done. Not known after 1000 ms whether it is in force:",
        "  a:1 does not answer, and may use what it knew for 0.9 s from the change on.",
    ]
    assert force_told(silent)["in_force"] is False
