"""Networks written out as plain PyTorch: what `torch.export` records, printed as a function of weights and inputs.

Text rather than a program file: whoever is given it can read what it does before running it.
"""

import operator
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from gantry.errors import UserError
from gantry.methods.sampler import Sampler

# What says nothing of the samples: checks of sizes that the recording has noted.
CHECKS = re.compile(r"aten\.(_assert|sym_constrain)")
# Blocks that change nothing where there is no autocast and no gradient.
BLOCKS = ("wrap_with_autocast", "wrap_with_set_grad_enabled")
# What samplers may do with samples besides making some, and what the card says of it.
FURTHER = {
    "encode": "`encode(weights, x)` returns the codes of samples",
    "classify": "`classify(weights, x)` returns the class logits of samples",
}
HEAD = '''"""{title}

Written out by `gantry export`; needs PyTorch alone. `weights` is what model.safetensors holds.
"""

import operator

import torch
from torch import Tensor, inf, nan

aten = torch.ops.aten
'''


class _Asked(nn.Module):
    """What a sampler makes of inputs, as a module whose weights are called as in the checkpoint."""

    def __init__(self, kept: nn.Module, sampler: Sampler, asked: str) -> None:
        super().__init__()
        self.kept = kept
        self.sampler = sampler
        self.asked = asked

    def forward(self, given: dict[str, Tensor]) -> Tensor:
        if self.asked in FURTHER:
            answer: Tensor = getattr(self.sampler, self.asked)(given["x"])
            return answer
        return self.sampler.sample(self.asked, given)


def function_name(asked: str) -> str:
    """Return a name as Python may call it: "G1"; "a_to_b" for "a→b", "of_16" for "16"."""
    name = re.sub(r"\W", "_", asked.replace("→", "_to_")).lstrip("_")
    return name if name.isidentifier() else f"of_{name}"


def written_out(
    title: str, kept: nn.Module, sampler: Sampler, inputs: Mapping[str, Mapping[str, Tensor]]
) -> tuple[str, dict[str, Tensor]]:
    """Return a module's text with a function for each source, and the constants that it needs beside the weights.

    `inputs` are those of some samples, by source or by what of `FURTHER` is asked; functions take any number of them.
    Raises UserError for networks that PyTorch cannot record, or whose recording is no plain PyTorch.
    """
    functions = [HEAD.format(title=title)]
    constants: dict[str, Tensor] = {}
    for source, given in inputs.items():
        try:
            text, found = _function(source, kept, sampler, given)
        except UserError:
            raise
        except Exception as error:  # torch.export has no common class for what it refuses
            reason = (str(error).strip() or type(error).__name__).partition("\n")[0]
            raise UserError(
                f"{source}: these networks cannot be written out as plain PyTorch: {reason}; "
                "give the checkpoint away as it is, and sample with gantry sample"
            ) from error
        functions.append(text)
        constants |= found
    return "\n\n".join(functions), constants


def _function(
    source: str, kept: nn.Module, sampler: Sampler, given: Mapping[str, Tensor]
) -> tuple[str, dict[str, Tensor]]:
    dynamic = ({name: {0: torch.export.Dim.AUTO} for name in given},)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # PyTorch's, of what it does inside
        program = torch.export.export(
            _Asked(kept, sampler, source).eval(), (dict(given),), dynamic_shapes=dynamic
        )
    signature = program.graph_signature
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    if any(isinstance(values[name].shape[0], int) for name in signature.user_inputs):  # type: ignore[index,union-attr]
        raise UserError(
            f"{source}: its networks were recorded for {len(next(iter(given.values())))} samples alone, so they "
            "cannot be written out as plain PyTorch: sample with gantry sample"
        )
    named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    held = {node: f'weights["{name.removeprefix("kept.")}"]' for node, name in named.items()}
    constants: dict[str, Tensor] = {}
    # Buffers that no checkpoint holds, such as a blur's kernel, are constants too.
    lifted = {n: b for n, b in signature.inputs_to_buffers.items() if b in signature.non_persistent_buffers}
    for node, name in {**signature.inputs_to_lifted_tensor_constants, **lifted}.items():
        key = f"constant.{function_name(source)}.{name}"
        constants[key] = program.constants[name].detach().cpu().contiguous()
        held[node] = f'weights["{key}"]'
    held |= dict(zip(signature.user_inputs, given, strict=True))
    lines, (result,) = _Writer(program.graph_module, next(iter(given))).written(held)
    output: Any = program.graph.output_node()
    (out,) = output.args[0]
    shapes = ", ".join(f"{name} {_shape(value)}" for name, value in given.items())
    arguments = ", ".join(f"{name}: Tensor" for name in given)
    body = "\n    ".join(
        [
            f'"""Return {_result(source)} {_shape(out.meta["val"])} for {shapes}."""',
            *lines,
            f"return {result}",
        ]
    )
    return (
        f"def {function_name(source)}(weights: dict[str, Tensor], {arguments}) -> Tensor:\n    {body}\n",
        constants,
    )


class _Writer:
    """The lines of a recorded graph; blocks without autocast or gradients are written into the graph around them."""

    def __init__(self, module: torch.fx.GraphModule, first: str, prefix: str = "") -> None:
        self.module = module
        self.first = first  # an input, on whose device other tensors come into being
        self.prefix = prefix

    def written(self, held: Mapping[str, str]) -> tuple[list[str], list[str]]:
        """Return the lines, and what the results are called. `held` says how the graph's inputs are called."""
        names: dict[str, Any] = dict(held)  # of a block with several results: a list
        lines: list[str] = []
        results: list[str] = []
        nodes: Iterable[Any] = self.module.graph.nodes
        for node in nodes:
            words = [self.text(argument, names) for argument in node.args]
            words += [f"{key}={self.text(value, names)}" for key, value in node.kwargs.items()]
            if node.op == "output":
                results = [self.text(argument, names) for argument in node.args[0]]
            elif node.op != "call_function" or CHECKS.match(str(node.target)):
                continue
            elif (block := self.block(node)) is not None:
                inner, inputs = block
                given = [self.text(argument, names) for argument in inputs]
                placeholders = [
                    inside.name for inside in inner.module.graph.nodes if inside.op == "placeholder"
                ]
                more, names[node.name] = inner.written(dict(zip(placeholders, given, strict=True)))
                lines += more
            elif node.target is operator.getitem and isinstance(names.get(node.args[0].name), list):
                names[node.name] = names[node.args[0].name][node.args[1]]
            else:
                names[node.name] = self.prefix + node.name
                lines.append(f"{names[node.name]} = {_called(node)}({', '.join(words)})")
        return lines, results

    def block(self, node: Any) -> "tuple[_Writer, list[Any]] | None":
        """The writer of a block within which autocast or gradients are off, and its inputs."""
        if getattr(node.target, "__name__", "") not in BLOCKS:
            return None
        place = next(
            i
            for i, argument in enumerate(node.args)
            if isinstance(argument, Node) and argument.op == "get_attr"
        )
        module = self.module.get_submodule(str(node.args[place].target))
        assert isinstance(module, torch.fx.GraphModule)
        return _Writer(module, self.first, f"{self.prefix}{node.name}_"), list(node.args[place + 1 :])

    def text(self, value: Any, names: Mapping[str, Any]) -> str:
        """An argument as Python."""
        if isinstance(value, Node):
            return str(names.get(value.name, value.name))
        if isinstance(value, torch.device):
            return f"{self.first}.device"
        if isinstance(value, list | tuple):
            return f"[{', '.join(self.text(argument, names) for argument in value)}]"
        return repr(value)


def _called(node: Any) -> str:
    """How the text calls what a node calls: an operation of PyTorch, or arithmetic of sizes."""
    target = node.target
    if isinstance(target, torch._ops.OpOverload) and target.namespace == "aten":
        return str(target)  # aten.linear.default
    name = getattr(target, "__name__", "")
    if getattr(operator, name, None) is target:
        return f"operator.{name}"
    raise NotImplementedError(f"{target} cannot be written out as plain PyTorch")


def _result(asked: str) -> str:
    return {"encode": "codes", "classify": "class logits"}.get(asked, f"samples of {asked}")


def _shape(value: Tensor) -> str:
    """(B, 3, 32, 32), whatever the number of samples."""
    return f"({', '.join(['B', *(str(int(size)) for size in value.shape[1:])])})"
