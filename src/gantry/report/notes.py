"""What a reader of one table, figure or list of claims must know: its size, and where it departs from the paper."""

from gantry.report.orders import Order

INTERVAL_NOTE = "In brackets: the 95 % interval of the mean over training seeds (Student's t)."


def scale_note(order: Order) -> str:
    """How large the experiments are."""
    return f"Scale: {order.scale}, {order.scale_title}."


def protocol_notes(order: Order) -> list[str]:
    """What a reader of one table or figure must know: where the protocol differs from the paper's."""
    notes = []
    if order.paper_iterations and order.paper_iterations != order.iterations:
        notes.append(
            f"Trained for {order.iterations:,} iterations; the paper for {order.paper_iterations:,}."
        )
    if order.stand_ins:
        pairs = [f"{stand_in} for {label}" for label, stand_in in order.stand_ins.items()]
        notes.append(f"Stand-in data: {'; '.join(pairs)}.")
    if order.options.get("spread") == "interval":
        notes.append(INTERVAL_NOTE)
    return notes + list(order.notes)
