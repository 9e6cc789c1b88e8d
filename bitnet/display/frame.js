"use strict";
// Inside a notebook: as high as the content, in the notebook's own theme.
(() => {
  const frame = window.frameElement;
  if (!frame) return;
  const outside = frame.ownerDocument.body;
  const theme = () => {
    const light = outside.dataset.jpThemeLight;
    if (light) document.documentElement.dataset.theme = light === "true" ? "light" : "dark";
  };
  const fit = () => { frame.style.height = `${document.body.offsetHeight + 2}px`; };
  theme();
  fit();
  new MutationObserver(theme).observe(outside, {attributes: true});
  new ResizeObserver(fit).observe(document.body);
  // What stands under it is for pages that show no frames.
  if (frame.nextElementSibling) frame.nextElementSibling.open = false;
})();
