"""What is put on a picture as it is: icons and letters."""

from dataclasses import dataclass

from PIL import Image

from tiles.pictures.values import Color


@dataclass(frozen=True, slots=True)
class Stamp:
    """An icon, or masks in colours, one over the other."""

    #: Left and top in pixels.
    at: tuple[float, float]
    masks: tuple[tuple[Image.Image | None, Color], ...]
    icon: Image.Image | None = None

    def put(self, picture: Image.Image, scale: int = 1) -> None:
        """Put it on a picture in premultiplied colours, ``scale`` times as large."""
        place = (round(self.at[0] * scale), round(self.at[1] * scale))
        if self.icon is not None:
            icon = _enlarged(self.icon, scale)
            mask = icon.getchannel("A")
            plain = icon.copy()
            plain.putalpha(255)
            picture.paste(plain, place, mask)
        for mask_of, color in self.masks:
            if mask_of is None or not color[3]:
                continue
            share = color[3]
            faded = mask_of if share == 255 else mask_of.point(_scaled(share))
            picture.paste((*color[:3], 255), place, _enlarged(faded, scale))


def _enlarged(image: Image.Image, scale: int) -> Image.Image:
    if scale == 1:
        return image
    size = (image.width * scale, image.height * scale)
    return image.resize(size, Image.Resampling.BICUBIC)


def _scaled(share: int) -> list[int]:
    return [value * share // 255 for value in range(256)]
