"""A follower says of a file that no line of it is known, once, and watches on."""

import logging
import re

from logs import append, intake, line

from ingest.following.follower import Follower

UNKNOWN = b"nothing that anybody knows\n"


def said(caplog):
    return [record.getMessage() for record in caplog.records if "no record that ingest knows" in record.getMessage()]


def test_a_file_of_which_no_line_is_known_is_told_once_and_watched_on(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    log = tmp_path / "a.log"
    append(log, UNKNOWN)
    with intake(tmp_path / "w") as into:
        follower = Follower([str(tmp_path / "*.log")], into)
        for _ in range(3):
            follower.tick(final=True)
        assert len(said(caplog)) == 1
        assert str(log) in said(caplog)[0]

        append(log, line(1).encode())
        follower.tick(final=True)
        follower.close()
    assert into.publisher.totals.calls == 1


def test_of_many_such_files_only_the_number_is_told(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    for number in range(40):
        append(tmp_path / f"{number}.log", UNKNOWN * (number + 1))
    with intake(tmp_path / "w") as into:
        follower = Follower([str(tmp_path)], into)
        looks = 1
        while follower.tick(final=True) is None:
            looks += 1
        follower.close()

    numbers = [re.fullmatch(r"(\d+) more files? .*", text) for text in said(caplog)]
    assert numbers.count(None) == 3
    assert sum(int(found[1]) for found in numbers if found) == 37
    assert len(numbers) <= 3 + looks  # in one line, but on a slow machine, where a look ends before all is read


def test_a_file_of_calls_is_not_told(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    append(tmp_path / "a.log", line(1).encode())
    with intake(tmp_path / "w") as into:
        follower = Follower([str(tmp_path)], into)
        follower.tick(final=True)
        follower.close()

    assert said(caplog) == []
