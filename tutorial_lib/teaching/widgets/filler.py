"""Paint a hole, press a button, watch it being filled (notebooks 00 and 07)."""

from __future__ import annotations

import threading

import ipywidgets
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tutorial_lib.images import to_uint8
from tutorial_lib.inpainting.latent_search import DEFAULT, LatentSearch, SearchSettings
from tutorial_lib.inpainting.pipeline import fill_hole, initial_z
from tutorial_lib.inpainting.put_back import put_back
from tutorial_lib.masks import HOLE_GRAY, check_batch
from tutorial_lib.models.latent_model import LatentModel
from tutorial_lib.teaching.widgets.frames import Shown, decode_png, encode_png, says_errors
from tutorial_lib.teaching.widgets.painter import MaskPainter

# steps between two pictures: blending and encoding one costs about a fifth of a step with four
# restarts
_EVERY = 4
_SIDE = 448  # of the result on the screen, about the painter's
_PATIENCE = 0.2  # seconds between two looks at whether the kernel was interrupted


class HoleFiller(Shown):
    """A picture to paint a hole on, and beside it the picture with the hole filled.

    The search runs in a thread of its own, so that the kernel still answers and "stop" works.
    Filling again goes on from where the last search ended, whether the hole was changed or not; a
    new picture or "new start" begins with a new initial z.

    Args:
        gan: the model to search.
        image: (1, 3, H, W) in [-1, 1], of the size that the model makes.
        mask: (1, 1, H, W), 1 = known; None starts without a hole.
        settings: of each search, see `SearchSettings`.
        restarts: codes searched at once; the one with the lowest total loss is shown.
        seed: of the initial z, that of `inpaint(..., restarts=restarts, seed=seed)`; each new start
            adds 1.

    Attributes:
        painter, picture, fill_button, stop_button, new_button, save_button, progress, message: the
            parts; `box` holds them: show that. "save photo" can be pressed when the picture is the
            face of a photo and was filled.
        result: (1, 3, H, W) in [-1, 1], the completed picture, or None as long as this picture was
            not filled.
        mask: (1, 1, H, W), the hole that `result` fills; None as well without a result.
        loss: its total loss.
        z: (restarts, z_dim), where the last search ended, or None.
        seed: of the next initial z.

    Raises:
        ValueError: for what is no picture of the model's size, no mask for it, or fewer than one
            restart.
    """

    def __init__(
        self,
        gan: LatentModel,
        image: Tensor,
        mask: Tensor | None = None,
        settings: SearchSettings = DEFAULT,
        restarts: int = 4,
        seed: int = 0,
    ):
        if restarts < 1:
            raise ValueError(f"restarts must be at least 1, got {restarts}")
        self.gan, self.settings, self.restarts, self.seed = gan, settings, restarts, seed
        with torch.no_grad():
            made = gan.generator(initial_z(gan, 1).to(gan.device))
        self._size = tuple(made.shape[-2:])
        self.result: Tensor | None = None
        self.mask: Tensor | None = None
        self.z: Tensor | None = None
        self.loss: float | None = None
        self._busy = threading.Lock()  # held from the start of a search to its end
        self._ended = threading.Event()  # set when no search runs
        self._ended.set()
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self.painter = MaskPainter(image, mask)
        self._check_size()
        self.picture = ipywidgets.Image(format="png", width=_SIDE)
        self.fill_button = ipywidgets.Button(
            description="fill", icon="magic", button_style="primary"
        )
        self.stop_button = ipywidgets.Button(description="stop", icon="stop", disabled=True)
        self.new_button = ipywidgets.Button(
            description="new start",
            icon="refresh",
            tooltip="search from another initial z: another completion of the same hole",
        )
        self.save_button = ipywidgets.Button(
            description="save photo",
            icon="download",
            disabled=True,
            tooltip="the filled photo at its own size, as a PNG file",
        )
        self.progress = ipywidgets.IntProgress(max=settings.steps, layout={"width": f"{_SIDE}px"})
        self.message = ipywidgets.Label()
        for part, name in (
            (self.picture, "picture"),
            (self.fill_button, "fill"),
            (self.stop_button, "stop"),
            (self.new_button, "new"),
            (self.save_button, "save"),
            (self.progress, "progress"),
            (self.message, "message"),
        ):
            part.add_class(f"filler-{name}")
        buttons = ipywidgets.HBox(
            [self.fill_button, self.stop_button, self.new_button, self.save_button],
            layout={"flex_flow": "row wrap"},
        )
        right = ipywidgets.VBox([buttons, self.picture, self.progress, self.message])
        self.box = ipywidgets.HBox([self.painter, right], layout={"flex_flow": "row wrap"})
        self.fill_button.on_click(self._on_fill)
        self.stop_button.on_click(lambda _: self.stop())
        self.new_button.on_click(self._on_new)
        self.save_button.on_click(self._on_save)
        self.painter.observe(self._on_picture, names="picture")
        self.painter.observe(self._on_hole, names="known")
        self._forget()

    # ---- what a reader or a script calls ---------------------------------------------------------

    def fill(self, wait: bool = False) -> None:
        """Search for the painted hole; with `wait` until it ends (see `wait`).

        Raises:
            ValueError: when no hole is painted or the picture has not the model's size.
            RuntimeError: while a search runs.
        """
        self._check_size()
        mask = self.painter.mask
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("a search is running: stop it or wait for its end first")
        try:
            self._ended.clear()
            self._stopped.clear()
            self._error = None
            z = self.z
            if z is None:
                z = initial_z(self.gan, 1, self.restarts, self.seed, self.settings.start)
            self.progress.max = self.settings.steps
            self._show_running(True)
            search = threading.Thread(
                target=self._run, args=(self.painter.image, mask, z), daemon=True
            )
            search.start()
        except BaseException:  # no thread, so nobody else would end this
            self._end()
            raise
        if wait:
            self.wait()

    def wait(self) -> None:
        """Return when no search runs; interrupting the kernel stops the search.

        Raises:
            the search's own error, when it ended in one.
        """
        try:
            self._wait_for_end()
        except KeyboardInterrupt:
            self.stop()
            self._wait_for_end()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def stop(self) -> None:
        """End a running search at its next step; what it has found by then is the result."""
        self._stopped.set()

    def new_start(self) -> None:
        """Let the next `fill` begin with another initial z.

        Raises:
            RuntimeError: while a search runs.
        """
        if self.running:
            raise RuntimeError("a search is running: stop it or wait for its end first")
        self.seed, self.z = self.seed + 1, None

    def filled_photo(self) -> Image.Image:
        """The photo at its own size, with `result` put into its hole; see `put_back`.

        Raises:
            ValueError: when the picture was not taken from a photo, or was not filled.
        """
        if self.painter.photo is None or self.painter.transform is None:
            raise ValueError("this picture was not taken from a photo: drop a photo on it first")
        if self.result is None or self.mask is None:
            raise ValueError("nothing is filled yet: paint a hole and press fill first")
        return put_back(self.painter.photo, self.result, self.mask, self.painter.transform)

    @property
    def running(self) -> bool:
        """Whether a search runs."""
        return self._busy.locked()

    @property
    def array(self) -> np.ndarray:
        """The picture on display beside the painter, uint8 (H, W, 3), as the browser gets it."""
        return decode_png(self.picture.value, self._scale)

    # ---- the search, in its thread ---------------------------------------------------------------

    def _run(self, image: Tensor, mask: Tensor, z: Tensor) -> None:
        try:
            image, mask = check_batch(image, mask)  # (1, 3, H, W), (1, 1, H, W)
            rows, masks = (part.expand(len(z), -1, -1, -1) for part in (image, mask))
            searching = LatentSearch(rows, masks, self.gan, z, self.settings)
            for state in searching:
                if state.step % _EVERY == 0:
                    best = int(state.losses["total"].argmin())
                    self._display(self._completed(state.generated[best], image, mask))
                    self.progress.value = state.step
                    self.message.value = f"step {state.step} of {self.settings.steps}"
                if self._stopped.is_set():
                    break
            found = searching.result()
            best = int(found.final["total"].argmin())
            self.loss = found.final["total"][best].item()
            self.z, self.mask = found.z, mask
            self.result = self._completed(found.generated[best], image, mask)
            self._display(self.result)
            self.progress.value = state.step
            ended = "stopped" if state.step < self.settings.steps else "filled"
            self.message.value = f"{ended} after {state.step} steps, loss {self.loss:.1f}"
        except BaseException as error:  # a thread has no caller: it is said here and raised by wait
            self._error = error
            self.message.value = f"{type(error).__name__}: {error}"
        finally:
            self._end()

    def _end(self) -> None:
        """No search runs any more."""
        try:
            self._show_running(False)
        finally:
            self._busy.release()
            self._ended.set()

    def _wait_for_end(self) -> None:
        # not Thread.join: in Python 3.11 and 3.12 an interrupted one takes the thread for finished
        while not self._ended.wait(_PATIENCE):
            pass

    def _check_size(self) -> None:
        size = (self.painter.rows, self.painter.columns)
        if size != self._size:
            raise ValueError(
                f"this model makes pictures of {self._size[0]}x{self._size[1]} pixels, "
                f"the one given has {size[0]}x{size[1]}"
            )

    @staticmethod
    def _completed(generated: Tensor, image: Tensor, mask: Tensor) -> Tensor:
        """(1, 3, H, W) in [-1, 1] on the CPU: one G(z), (3, H, W), blended into the hole."""
        return fill_hole(generated[None].cpu(), image, mask)

    # ---- what is shown ---------------------------------------------------------------------------

    @property
    def _scale(self) -> int:
        return max(1, _SIDE // self.painter.columns)

    def _display(self, image: Tensor) -> None:
        self.picture.value = encode_png(to_uint8(image)[0], self._scale)

    def _display_corrupted(self) -> None:
        known = torch.from_numpy(self.painter.array)[None, None] > 0
        self._display(torch.where(known, self.painter.image, HOLE_GRAY))

    def _show_running(self, running: bool) -> None:
        self.fill_button.disabled = self.new_button.disabled = running
        self.stop_button.disabled = not running
        self.save_button.disabled = running or self.painter.photo is None or self.result is None

    def _forget(self) -> None:
        """What belongs to the picture before this one."""
        self.result = self.mask = self.z = self.loss = None
        self.progress.value = 0
        self.save_button.disabled = True
        self.message.value = "paint a hole and press fill"
        self._display_corrupted()

    @says_errors("message")
    def _on_fill(self, _) -> None:
        self._fill_or_say()

    @says_errors("message")
    def _on_new(self, _) -> None:
        self.new_start()
        self._fill_or_say()

    @says_errors("message")
    def _on_save(self, _) -> None:
        self.message.value = "putting the filled face back into the photo"
        photo = self.filled_photo()
        self.painter.download(encode_png(np.asarray(photo)), "filled.png", "image/png")
        self.message.value = f"saved as filled.png, {photo.width}x{photo.height}"

    def _fill_or_say(self) -> None:
        try:
            self.fill()
        except ValueError as error:  # no hole is nothing unusual: it is said, not raised
            self.message.value = str(error)

    @says_errors("message")
    def _on_picture(self, _) -> None:
        self.stop()
        self._wait_for_end()
        self._forget()

    @says_errors("message")
    def _on_hole(self, _) -> None:
        if (
            self.result is None and not self.running
        ):  # a filled picture stays until it is filled anew
            self._display_corrupted()
