"""FlowAPI: its available dates, and what its tokens say. Queries are the notebooks' own business."""
