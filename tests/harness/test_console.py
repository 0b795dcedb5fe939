"""What a run says of its progress where nobody watches a bar."""

from harness import console


def test_a_log_gets_a_line_a_minute(capsys):
    now = [0.0]
    lines = console.Lines(2, clock=lambda: now[0])
    follow = lines.step("accuracy crepe", 40.0)
    now[0] = 59.0
    follow({"done": 10.0})
    assert capsys.readouterr() == ("", "")
    now[0] = 61.0
    follow({"done": 20.0})
    follow({"done": 21.0})
    now[0] = 130.0
    lines.step("round 1 of crepe", 0.0)
    lines.step("round 2 of crepe", 0.0)
    now[0] = 200.0
    lines.step("round 3 of crepe", 0.0)
    assert capsys.readouterr() == (
        "",
        "f0bench: 1 min: step 1 of about 2, accuracy crepe, 50%\n"
        "f0bench: 2 min: step 2 of about 2, round 1 of crepe\n"
        "f0bench: 3 min: step 4 of about 4, round 3 of crepe\n",
    )


def test_without_a_terminal_there_is_no_bar():
    with console.progress_reporter(3) as reporter:
        assert isinstance(reporter, console.Lines)
