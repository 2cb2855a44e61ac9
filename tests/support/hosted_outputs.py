"""Cells whose outputs hosts showed badly: large, or made of bytes."""

from __future__ import annotations

PICTURE = "a picture of 3000x2000 pixels"
OUTPUTS = {
    PICTURE: (
        "import base64, io\nfrom IPython.display import display\nfrom PIL import Image\nfile = io.BytesIO()\n"
        "Image.linear_gradient('L').resize((3000, 2000)).save(file, 'PNG')\n"
        "display({'image/png': base64.b64encode(file.getvalue()).decode(), 'text/plain': '<Figure>'}, raw=True)"
    ),
    "a data frame": (
        "from IPython.display import display\npage = '<table><tr><td>7</td></tr></table>'\n"
        "display({'text/plain': '   price\\n0      7', 'text/html': page}, raw=True)"
    ),
    "a plotly figure of 5 MB": (
        "from IPython.display import display\n"
        "display({'application/vnd.plotly.v1+json': {'data': [{'type': 'bar', 'y': [0.25] * 400_000}], 'layout': {}},"
        " 'text/html': '<script>' + 'x' * 3_000_000 + '</script>'}, raw=True)"
    ),
    "200,000 characters": "print('begin'); print('y ' * 100_000); print('the end')",
    "a traceback": "def half(n):\n    return 1 / n\n\nhalf(0)",
}
