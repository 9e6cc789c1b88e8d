"""Grid files as text."""


def one_grid(**changes):
    """One grid as YAML, with some of its values replaced, or left out where they are None."""
    values = {"hidden": "16", "steps": "8", "arms": "[l2-0.0]"} | changes
    pairs = (f"{key}: {value}" for key, value in values.items() if value is not None)
    return f"grids: [{{{', '.join(pairs)}}}]"
