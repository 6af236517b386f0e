"""The methods' colours, on paper and on the page."""

# In order of use: dark blue, orange, green, purple, light blue, brown; they differ in lightness too.
COLOURS = ("#0b4f9c", "#e07b00", "#1b8a5a", "#8e3b9e", "#59a9d8", "#7a4a1e")


def shifted(place: int, count: int) -> int:
    """Which of `count` dashes or markers goes with the `place`-th method.

    One further each time the colours begin anew, so that no two methods of a figure look the same.
    """
    return (place + place // len(COLOURS)) % count
