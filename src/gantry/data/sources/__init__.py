"""The sources that a data set's `source` key can name; a new one is a class in a file and a line here."""

from gantry.data.sources.array import Array
from gantry.data.sources.base import Source
from gantry.data.sources.celeba import CelebA
from gantry.data.sources.cifar10 import Cifar10
from gantry.data.sources.cub import Cub
from gantry.data.sources.folder import Folder
from gantry.data.sources.lsun import Lsun
from gantry.data.sources.stl10 import Stl10
from gantry.data.sources.svhn import Svhn
from gantry.data.sources.synthetic import Digits, GaussianGrid, GaussianPair, PastedDigits, Photograph
from gantry.data.sources.tables import HuggingFace, Parquet
from gantry.data.sources.webdataset import WebDataset

SOURCES: dict[str, type[Source]] = {
    "gaussian_grid": GaussianGrid,
    "gaussian_pair": GaussianPair,
    "digits": Digits,
    "pasted_digits": PastedDigits,
    "photograph": Photograph,
    "folder": Folder,
    "array": Array,
    "parquet": Parquet,
    "huggingface": HuggingFace,
    "webdataset": WebDataset,
    "celeba": CelebA,
    "cub": Cub,
    "lsun": Lsun,
    "cifar10": Cifar10,
    "svhn": Svhn,
    "stl10": Stl10,
}
