"""What happens during a run, in the past tense. Lanes tell, `report` shows; none holds a card's content."""

from dataclasses import dataclass

from imagesmith.model.outcome import CardOutcome, Phase


@dataclass(frozen=True, slots=True)
class ImageCheckStarted:
    """The image is being compared with its manifest; until that has ended well no card gets a table."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class ImageBytesChecked:
    """So many more bytes of the image were right."""

    count_bytes: int


@dataclass(frozen=True, slots=True)
class CardOpened:
    """A card is open, locked and waits for the others."""

    card: str
    slot: str
    node: str


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A card entered a phase that moves `size_bytes` (0 where nothing is counted)."""

    card: str
    phase: Phase
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BytesWritten:
    """So many more bytes of the body were accepted by the card."""

    card: str
    count_bytes: int


@dataclass(frozen=True, slots=True)
class BytesVerified:
    """So many more bytes of the body were read back and were right."""

    card: str
    count_bytes: int


@dataclass(frozen=True, slots=True)
class BytesCompared:
    """So many more bytes of the body were read before writing: in the compare phase all; later those kept."""

    card: str
    count_bytes: int


@dataclass(frozen=True, slots=True)
class OperationRetried:
    """A card gave a transient error and is asked again."""

    card: str
    cause: str
    attempt: int
    """1 for the first repetition."""


@dataclass(frozen=True, slots=True)
class CardEnded:
    """A card's fate is known."""

    card: str
    outcome: CardOutcome


Event = (
    ImageCheckStarted
    | ImageBytesChecked
    | CardOpened
    | PhaseStarted
    | BytesWritten
    | BytesVerified
    | BytesCompared
    | OperationRetried
    | CardEnded
)
