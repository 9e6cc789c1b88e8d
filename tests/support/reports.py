"""Reports written by hand, without a study."""

from bitnet.display.report_folder import PAGE, TRACES, VERDICT, place_for


def put(folder, said="{}"):
    """Write the three things of a report, with those words for its verdict."""
    with place_for(folder) as partial:
        (partial / TRACES).mkdir()
        (partial / PAGE).write_text("page")
        (partial / VERDICT).write_text(said)
        partial.replace(folder)


def put_when_told(connection, folder, said):
    """The same in another process, after a word; it tells how that ended."""
    connection.send("ready")
    connection.recv()
    try:
        put(folder, said)
        connection.send("")
    except Exception as error:
        connection.send(f"{type(error).__name__}: {error}")
