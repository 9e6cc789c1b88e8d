"""What keeps the figures in a box of widgets as wide as the box: a widget that shows nothing."""

from typing import Any

__all__ = ["keeps_width"]

# Plotly draws a figure widget before it is in the page, where it has no width, and then takes 700
# pixels; after that it asks again only when the window changes, which it does not when a side bar
# opens. So whenever the box changes, and a figure in it is not as wide as its place, the window is
# said to have changed. That the box grows as a figure is put into it is a change too.
_SCRIPT = """
function render({ el }) {
  const width = (element) => element.getBoundingClientRect().width;
  const misfit = (plot) => {
    const drawn = plot.querySelector(".main-svg");
    return drawn && Math.abs(width(drawn) - width(plot)) > 1;
  };
  let box = null;
  const watch = new ResizeObserver(() => {
    if (!box) {
      box = el.parentElement;  // there is none before this is in the page
      watch.observe(box);
    }
    const plots = [...box.querySelectorAll(".js-plotly-plot")];
    if (plots.some(misfit)) window.dispatchEvent(new Event("resize"));
  });
  watch.observe(el);
  return () => watch.disconnect();
}
export default { render };
"""


def keeps_width() -> Any:
    """A widget to put into a box, beside its figures; their layouts name no width."""
    import anywidget  # here, for an installation without notebooks has none

    class KeepsWidth(anywidget.AnyWidget):
        _esm = _SCRIPT

    return KeepsWidth()
