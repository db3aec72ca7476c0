"""Draws what an animal wears."""

from pretrain.drawing.figure import Figure
from pretrain.drawing.identity import Identity, shade
from pretrain.drawing.pen import Pen, Shape


def draw_neckwear(pen: Pen, who: Identity, figure: Figure) -> None:
    """Draw a collar or scarf: a thick crescent that looks out from under the head; drawn before the head."""
    if who.wear not in ("collar", "scarf"):
        return
    (x, y), radius = figure.head, figure.radius
    body_x, body_y = figure.body[:2]
    reach = 0.30 if who.wear == "collar" else 0.5
    dx, dy = body_x - x, body_y - y
    length = max(1.0, (dx * dx + dy * dy) ** 0.5)
    middle = (x + dx / length * radius * reach, y + dy / length * radius * reach)
    crescent: Shape = (*middle, radius * 0.95, radius * 0.9, 0)
    dark = shade(who.wear_rgb, 0.6)
    pen.ellipse(crescent, dark, "wear", 1.0)
    pen.ellipse(crescent, who.wear_rgb, "wear")
    if who.wear == "scarf":
        end = (x - radius * 0.35, y + radius * 1.25)
        hem = (end[0] - 1.5, min(end[1] + 8, 61))
        pen.stroke([end, hem], dark, 7.5, "wear")
        pen.stroke([end, hem], who.wear_rgb, 5.5, "wear")


def draw_headwear(pen: Pen, who: Identity, figure: Figure) -> None:
    """Draw a hat or glasses; drawn after the head."""
    (x, y), radius = figure.head, figure.radius
    dark = shade(who.wear_rgb, 0.55)
    if who.wear == "hat":
        brim, top = y - radius * 0.62, max(1.0, y - radius * 1.5)
        crown = [(x - 7, brim), (x + 7, brim), (x + 6, top), (x - 6, top)]
        pen.polygon([(x - 8, brim), (x + 8, brim), (x + 7, top - 1), (x - 7, top - 1)], dark, "wear")
        pen.polygon(crown, who.wear_rgb, "wear")
        pen.stroke([(x - radius * 0.85, brim), (x + radius * 0.85, brim)], dark, 5.0, "wear")
        pen.stroke([(x - radius * 0.85, brim), (x + radius * 0.85, brim)], who.wear_rgb, 3.2, "wear")
    elif who.wear == "glasses":
        for eye in (-0.06, 0.6):
            pen.ring((x + radius * eye, y - radius * 0.08), radius * 0.4, who.wear_rgb, 2.6, "wear")
        temple = [(x - radius * 0.4, y - radius * 0.1), (x - radius * 0.9, y - radius * 0.2)]
        pen.stroke(temple, who.wear_rgb, 2.4, "wear")
