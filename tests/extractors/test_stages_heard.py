"""Whether somebody listens to stages is known inside the listening block only."""

from extractors.stages import heard, listening


class Silent:
    def enter(self, name):
        pass

    def exit(self, name):
        pass


def test_heard_only_while_somebody_listens():
    assert not heard()
    with listening(Silent()):
        assert heard()
    assert not heard()
