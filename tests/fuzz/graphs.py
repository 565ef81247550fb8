"""SavedModel protobufs, changed as somebody would who knows how TensorFlow loads them."""

from tensorflow.core.framework import function_pb2, node_def_pb2
from tensorflow.core.protobuf import saved_model_pb2

REACHING = ["WriteFile", "ReadFile", "PyFunc", "EagerPyFunc", "PrintV2", "SaveV2", "RestoreV2"]
REACHING += ["MergeV2Checkpoints", "LoadAndRemapMatrix", "TextLineReaderV2", "WholeFileReaderV2"]
OTHERS = ["Const", "Placeholder", "Identity", "NoOp", "VarHandleOp", "MatMul", "Relu", "Conv2D"]
OTHERS += ["PartitionedCall", "StatefulPartitionedCall", "While", "If", "Assert", "Fill", "Range"]
KINDS = ["user_object", "asset", "function", "variable", "bare_concrete_function", "constant"]
KINDS += ["resource", "captured_tensor"]
CHANGES = 4


def mutated(content, random, canary):
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString(content)
    meta = saved.meta_graphs[0]
    for _ in range(random.randint(1, CHANGES)):
        random.choice(WAYS)(meta, random, canary)
    return saved.SerializeToString()


def node_lists(meta):
    """Where nodes stand: the graph, and each function."""
    return [meta.graph_def.node, *(f.node_def for f in meta.graph_def.library.function)]


def some_nodes(meta, random):
    return random.choice([nodes for nodes in node_lists(meta) if len(nodes)])


def writing(canary, name):
    """Nodes that write the canary's file."""
    found = []
    for part, value in (("path", str(canary)), ("text", "x")):
        node = node_def_pb2.NodeDef(name=f"{name}_{part}", op="Const")
        node.attr["dtype"].type = 7
        node.attr["value"].tensor.dtype = 7
        node.attr["value"].tensor.string_val.append(value.encode())
        node.attr["value"].tensor.tensor_shape.SetInParent()
        found.append(node)
    return [*found, node_def_pb2.NodeDef(name=name, op="WriteFile", input=[n.name for n in found])]


def in_function(nodes):
    """As a function refers to its nodes."""
    nodes[-1].input[:] = [f"{name}:output:0" for name in nodes[-1].input]
    return nodes


def add_writer(meta, random, canary):
    nodes = some_nodes(meta, random)
    name = f"extra{random.randrange(1000)}"
    made = writing(canary, name)
    is_graph = nodes is meta.graph_def.node or nodes == meta.graph_def.node
    nodes.extend(made if is_graph else in_function(made))
    if random.random() < 0.7:
        random.choice(nodes).input.append(f"^{name}")


def add_function(meta, random, canary):
    """A function that writes, called by a node, by an attribute, or at load alone."""
    name = f"__inference_extra_{random.randrange(1000)}"
    function = function_pb2.FunctionDef()
    function.signature.name = name
    function.signature.is_stateful = True
    function.node_def.extend(in_function(writing(canary, "write")))
    function.control_ret["write"] = "write"
    function.signature.control_output.append("write")
    meta.graph_def.library.function.append(function)
    how = random.choice(["listed", "resource", "called", "attribute", "none"])
    if how == "listed":
        meta.object_graph_def.concrete_functions[name].SetInParent()
    elif how == "resource":
        initialise(meta, name, random)
    elif how == "called":
        node = node_def_pb2.NodeDef(name="extra_call", op="StatefulPartitionedCall")
        node.attr["f"].func.name = name
        node.attr["Tin"].list.SetInParent()
        node.attr["Tout"].list.SetInParent()
        some_nodes(meta, random).append(node)
    elif how == "attribute":
        random.choice(some_nodes(meta, random)).attr["f"].func.name = name


def initialise(meta, name, random):
    """A resource whose `_initialize` is a function: it is run when it is loaded."""
    nodes = meta.object_graph_def.nodes
    bare, resource = nodes.add(), nodes.add()
    bare.bare_concrete_function.concrete_function_name = name
    resource.resource.device = ""
    kind = random.choice(["resource", "user_object"])
    if kind == "user_object":
        resource.user_object.identifier = "_generic_user_object"
    for local in ("_initialize", "_create_resource"):
        resource.children.add(node_id=len(nodes) - 2, local_name=local)
    random.choice(nodes).children.add(node_id=len(nodes) - 1, local_name="extra")
    if random.random() < 0.5:
        meta.object_graph_def.concrete_functions[name].SetInParent()


def initialise_existing(meta, random, canary):
    """A function that is there, run at load; perhaps not listed any more."""
    functions = meta.graph_def.library.function
    if not functions:
        return
    name = random.choice(functions).signature.name
    initialise(meta, name, random)
    unlist(meta, random, canary)


def unlist(meta, random, canary):
    names = sorted(meta.object_graph_def.concrete_functions)
    if names:
        del meta.object_graph_def.concrete_functions[random.choice(names)]


def rename_node(meta, random, canary):
    node = random.choice(some_nodes(meta, random))
    node.name = random.choice(["", "x", "../x", "\x1b[1m", "a" * 3000, "save", node.name + "_"])


def rename_function(meta, random, canary):
    functions = meta.graph_def.library.function
    if functions:
        chosen = random.choice(functions).signature
        chosen.name = random.choice([f.signature.name for f in functions] + ["x", ""])


def change_operation(meta, random, canary):
    random.choice(some_nodes(meta, random)).op = random.choice(REACHING + OTHERS * 2)


def drop_node(meta, random, canary):
    nodes = some_nodes(meta, random)
    del nodes[random.randrange(len(nodes))]


def drop_function(meta, random, canary):
    functions = meta.graph_def.library.function
    if functions:
        del functions[random.randrange(len(functions))]


def rewire(meta, random, canary):
    nodes = some_nodes(meta, random)
    node, other = random.choice(nodes), random.choice(nodes)
    wire = random.choice(["", "^"]) + other.name
    if node.input and random.random() < 0.7:
        node.input[random.randrange(len(node.input))] = wire
    else:
        node.input.append(wire)


def change_attribute(meta, random, canary):
    nodes = [node for node in some_nodes(meta, random) if node.attr]
    if not nodes:
        return
    node = random.choice(nodes)
    value = node.attr[random.choice(sorted(node.attr))]
    how = random.choice(["shape", "type", "text", "function", "number", "tensor"])
    if how == "shape":
        for size in random.choice([[1 << 40], [-1], [20_000, 20_000, 20_000], [0, 3]]):
            value.shape.dim.add(size=size)
    elif how == "type":
        value.type = random.choice([0, 1, 3, 7, 9, 20, 21, 101, 999])
    elif how == "text":
        value.s = random.choice([str(canary).encode(), b"\xff\xfe", b"", b"x" * 5000])
    elif how == "function":
        names = [f.signature.name for f in meta.graph_def.library.function]
        value.func.name = random.choice([*names, "none"])
    elif how == "number":
        value.i = random.choice([-1, 0, 1 << 40])
    else:
        value.tensor.dtype = random.choice([1, 3, 7])
        for size in random.choice([[1 << 34], [3, 3], [-2]]):
            value.tensor.tensor_shape.dim.add(size=size)


def change_objects(meta, random, canary):
    nodes = meta.object_graph_def.nodes
    if not nodes:
        return
    node = random.choice(nodes)
    how = random.choice(["child", "kind", "asset", "slot", "gone", "function"])
    if how == "child":
        target = random.choice([0, len(nodes) + 5, -1, random.randrange(len(nodes))])
        node.children.add(
            node_id=target, local_name=random.choice(["x", "signatures", "_initialize"])
        )
    elif how == "kind":
        getattr(node, random.choice(KINDS)).SetInParent()
    elif how == "asset":
        node.asset.asset_file_def_index = random.choice([0, 99])
        meta.asset_file_def.add(filename=random.choice(["../../canary", str(canary), "x"]))
    elif how == "slot":
        node.slot_variables.add(original_variable_node_id=99, slot_variable_node_id=0)
    elif how == "gone":
        del nodes[random.randrange(len(nodes))]
    else:
        names = [f.signature.name for f in meta.graph_def.library.function]
        node.function.concrete_functions.append(random.choice([*names, "none"]))


def change_saver(meta, random, canary):
    names = [node.name for node in meta.graph_def.node] + ["none"]
    field = random.choice(["save_tensor_name", "restore_op_name", "filename_tensor_name"])
    setattr(meta.saver_def, field, random.choice(names) + random.choice(["", ":0"]))


def change_signature(meta, random, canary):
    signatures = list(meta.signature_def.values())
    if not signatures:
        return
    signature = random.choice(signatures)
    info = random.choice([*signature.inputs.values(), *signature.outputs.values()])
    how = random.choice(["name", "type", "shape", "gone"])
    if how == "name":
        info.name = random.choice([node.name for node in meta.graph_def.node] + ["none"]) + ":0"
    elif how == "type":
        info.dtype = random.choice([0, 3, 7, 20, 999])
    elif how == "shape":
        info.tensor_shape.dim.add(size=random.choice([-1, 0, 1 << 40]))
    else:
        del meta.signature_def[random.choice(sorted(meta.signature_def))]


def change_collections(meta, random, canary):
    names = [node.name for node in meta.graph_def.node]
    key = random.choice(["saved_model_main_op", "legacy_init_op", "saved_model_train_op", "x"])
    meta.collection_def[key].node_list.value.append(random.choice([*names, "none"]))


WAYS = [
    add_writer,
    add_function,
    initialise_existing,
    unlist,
    rename_node,
    rename_function,
    change_operation,
    drop_node,
    drop_function,
    rewire,
    change_attribute,
    change_attribute,
    change_objects,
    change_objects,
    change_saver,
    change_signature,
    change_collections,
]
