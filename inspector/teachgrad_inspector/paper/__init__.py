"""Screens on paper: what the canvas holds as SVG, as a page of HTML, as a picture; and the graph of a moment as DOT."""
