"""Rankings."""
from tests.support.page_session import PageSession, names_by_score

def test_a_ranking(session: PageSession) -> None:
    session.add(-1.5, 2.5, 0.5)
    (ranking,) = session.rank("a cat")
    assert names_by_score(ranking) == ["2.5.png", "0.5.png", "-1.5.png"]
    assert ranking["state"] == "done"
    print(ranking, session.state())
