"""Answers as pictures: which chart a report asks for, how it is drawn, and HTML, SVG and PNG of it."""
