"""The HTTP side of the service: what it accepts from clients, and the form of its answers. It loads no model.

In: a client of the classifier (`embed`, `classify`, ... of `components.serving.batched`). Out: `edge_application`, the
routes, and `EdgeAround`, the layers that stand round BentoML's whole application: `cors`, `errors` (one form), the
path's prefix and the probes (`probes`), `guard` (who has the admin token), and `limits` (how much is read, and how slowly).
`forms` reads what was sent; `admin` has the workspace's routes, whose changes run in a process of their own
(`changes_process`); `pages` has the page at `/`, whose files lie in `page/`.
"""

from components.serving.edge.admin import Admin
from components.serving.edge.around import EdgeAround
from components.serving.edge.guard import Guard
from components.serving.edge.routes import edge_application

__all__ = ["Admin", "EdgeAround", "Guard", "edge_application"]
