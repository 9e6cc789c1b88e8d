// Draws the figures that the notebooks of the site have stored.
for (const place of document.querySelectorAll(".stored-figure")) {
  const figure = JSON.parse(place.querySelector("script").textContent);
  Plotly.newPlot(place, figure.data, figure.layout, { responsive: true, displaylogo: false });
}
