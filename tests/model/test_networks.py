from guard.model.networks import Networks


class _Counted(str):
    """Text that counts how often it is hashed."""

    __slots__ = ("hashed",)
    hashed: int

    def __hash__(self) -> int:
        self.hashed = getattr(self, "hashed", 0) + 1
        return super().__hash__()


def test_networks_are_hashed_once_however_often_they_are_asked_for() -> None:
    network = _Counted("10.0.0.0/8")
    networks = Networks((network,))
    assert {networks: 1}[networks] == 1
    assert hash(networks) == hash(("10.0.0.0/8",))
    assert network.hashed == 1


def test_they_equal_a_tuple_of_the_same() -> None:
    assert Networks(("10.0.0.0/8",)) == ("10.0.0.0/8",)
    assert Networks(("10.0.0.0/8",)) in {("10.0.0.0/8",): 1}
