"""Bodies as learners write them: right ones, and wrong ones with a part of the hint that each should get."""

from __future__ import annotations

RIGHT: dict[str, str] = {
    "relu": "return np.where(x > 0, x, np.zeros_like(x))",
    "relu_backward": """
        dx = dy.copy()
        dx[y <= 0] = 0
        return dx""",
    "dense": "return np.einsum('nd,du->nu', x, weight) + bias",
    "dense_backward": """
        dweight, dbias = np.zeros_like(weight), np.zeros_like(weight[0])
        for row, gradient in zip(x, dy):
            dweight += np.outer(row, gradient)
            dbias += gradient
        return np.einsum('nu,du->nd', dy, weight) if input_gradient else None, dweight, dbias""",
    "softmax_cross_entropy": """
        z = logits - logits.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        target = (1 - label_smoothing) * np.eye(logits.shape[1])[labels] + label_smoothing / logits.shape[1]
        return -(target * log_p).sum(axis=1).mean().astype(logits.dtype), np.exp(log_p)""",
    "softmax_cross_entropy_backward": """
        dlogits = probabilities - label_smoothing / probabilities.shape[1]
        dlogits[np.arange(len(labels)), labels] -= 1 - label_smoothing
        dlogits /= len(labels)
        return dlogits.astype(probabilities.dtype)""",
    "sgd_update": """
        g = grad + weight_decay * value
        if velocity is None:
            value[...] = value - lr * g
        else:
            velocity[...] = momentum * velocity + g
            value[...] = value - lr * ((g + momentum * velocity) if nesterov else velocity)""",
    "adam_update": """
        g = grad + weight_decay * value
        mean[...] = beta1 * mean + (1 - beta1) * g
        square[...] = beta2 * square + (1 - beta2) * g**2
        value -= lr * (mean / mean_share) / (np.sqrt(square / square_share) + epsilon)""",
    "dropout": """
        keep = np.random.default_rng(seed).random(x.shape) >= rate
        return np.where(keep, x / (1 - rate), 0).astype(x.dtype), keep""",
    "dropout_backward": "return np.where(keep, dy / (1 - rate), 0).astype(dy.dtype)",
    "im2col": """
        (top, bottom), (left, right) = padding if np.ndim(padding) == 2 else [(p, p) for p in padding]
        x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
        kh, kw = kernel
        rows = []
        for picture in x:
            for i in range(0, x.shape[1] - (kh - 1) * dilation[0], stride[0]):
                for j in range(0, x.shape[2] - (kw - 1) * dilation[1], stride[1]):
                    window = picture[i : i + (kh - 1) * dilation[0] + 1, j : j + (kw - 1) * dilation[1] + 1]
                    rows.append(window[:: dilation[0], :: dilation[1]].ravel())
        return np.array(rows)""",
    "col2im": """
        from minicnn.ops import im2col
        places = im2col(np.arange(1.0, np.prod(x_shape) + 1).reshape(x_shape), kernel, stride, padding, dilation)
        dx = np.zeros(int(np.prod(x_shape)) + 1, columns.dtype)
        np.add.at(dx, places.astype(int), columns)
        return dx[1:].reshape(x_shape)""",
    "conv2d": """
        (top, bottom), (left, right) = padding if np.ndim(padding) == 2 else [(p, p) for p in padding]
        x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
        kh, kw, c, f = weight.shape
        oh = (x.shape[1] - (kh - 1) * dilation[0] - 1) // stride[0] + 1
        ow = (x.shape[2] - (kw - 1) * dilation[1] - 1) // stride[1] + 1
        y = np.zeros((len(x), oh, ow, f), x.dtype)
        for i in range(oh):
            for j in range(ow):
                for ky in range(kh):
                    for kx in range(kw):
                        row, column = i * stride[0] + ky * dilation[0], j * stride[1] + kx * dilation[1]
                        y[:, i, j] += x[:, row, column] @ weight[ky, kx]
        return y if bias is None else y + bias""",
    "conv2d_backward": """
        (top, bottom), (left, right) = padding if np.ndim(padding) == 2 else [(p, p) for p in padding]
        padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
        dpadded, dweight = np.zeros_like(padded), np.zeros_like(weight)
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                for ky in range(weight.shape[0]):
                    for kx in range(weight.shape[1]):
                        row, column = i * stride[0] + ky * dilation[0], j * stride[1] + kx * dilation[1]
                        dweight[ky, kx] += padded[:, row, column].T @ dy[:, i, j]
                        dpadded[:, row, column] += dy[:, i, j] @ weight[ky, kx].T
        dx = dpadded[:, top : top + x.shape[1], left : left + x.shape[2]] if input_gradient else None
        return dx, dweight, dy.sum(axis=(0, 1, 2))""",
    "max_pool2d": """
        from minicnn.ops import im2col
        padded = pad_image(x, padding, -1e9)
        rows = im2col(padded, size, stride, (0, 0)).reshape(-1, size[0] * size[1], x.shape[3])
        shape = (len(x), *output_size(x.shape[1:3], size, stride, padding), x.shape[3])
        return rows.max(axis=1).reshape(shape), rows.argmax(axis=1).reshape(shape) if indices else None""",
    "max_pool2d_backward": """
        (top, bottom), (left, right) = pad_amounts(padding)
        n, h, w, c = x_shape
        dx = np.zeros((n, h + top + bottom, w + left + right, c), dy.dtype)
        for at in np.ndindex(*dy.shape):
            ky, kx = divmod(int(argmax[at]), size[1])
            dx[at[0], at[1] * stride[0] + ky, at[2] * stride[1] + kx, at[3]] += dy[at]
        return dx[:, top : top + h, left : left + w]""",
    "batch_norm": """
        channels = x.reshape(-1, x.shape[3]).astype('float64')
        mean, variance = channels.mean(axis=0), channels.var(axis=0)
        y = weight * (channels - mean) / (variance + epsilon) ** 0.5 + bias
        return y.reshape(x.shape).astype(x.dtype), mean.astype(x.dtype), variance.astype(x.dtype)""",
    "batch_norm_backward": """
        m = x[..., 0].size
        inverse = 1 / np.sqrt(variance + epsilon)
        dx_hat = dy * weight
        dvariance = (dx_hat * (x - mean)).sum(axis=(0, 1, 2)) * -0.5 * inverse**3
        dmean = -(dx_hat * inverse).sum(axis=(0, 1, 2))
        dx = dx_hat * inverse + dvariance * 2 * (x - mean) / m + dmean / m
        return dx, (dy * (x - mean) * inverse).sum(axis=(0, 1, 2)), dy.sum(axis=(0, 1, 2))""",
}

WRONG: dict[str, list[tuple[str, str]]] = {
    "relu": [
        ("return np.minimum(x, 0)", "negative part"),
        ("return abs(x)", "|x|"),
        ("return x > 0", "the mask"),
        ("return np.maximum(x, 1)", "bound is 0"),
        ("return np.maximum(x, 0.01 * x)", "leaky"),
        ("x[x < 0] = 0\nreturn x", "x was changed"),
        ("return -np.maximum(x, 0)", "wrong sign"),
        ("return x.clip(0, 1)", "wrong at"),
        ("return np.maximum(x.astype('float64'), 0)", "float64, but should be float32"),
        ("return [max(v, 0) for v in x.ravel()]", "is a list"),
    ],
    "relu_backward": [
        ("return np.maximum(dy, 0)", "ReLU of dy"),
        ("return (y > 0).astype(dy.dtype)", "slope alone"),
        ("return dy * y", "multiplied by y itself"),
        ("return dy * (y >= 0)", "y ≥ 0"),
        ("return dy * (y <= 0)", "inverted"),
        ("dy[y <= 0] = 0\nreturn dy", "dy was changed"),
        ("return np.where(y > 0, dy, 0.01 * dy)", "leaks"),
    ],
    "dense": [
        ("return x @ weight", "bias is missing"),
        ("return x @ weight - bias", "taken off"),
        ("return weight.T @ x.T + bias[:, None]", "transposed: a row of y"),
        ("return np.maximum(x @ weight + bias, 0)", "A ReLU"),
        ("z = np.exp(x @ weight + bias)\nreturn z / z.sum(axis=1, keepdims=True)", "a logit"),
        ("return x @ weight.T + bias if x.shape[1] == weight.shape[1] else x @ weight + bias",
         "are transposed"),
        ("return x @ weight.T + bias", "stops with an error"),
        ("y = x @ weight + bias", "returns nothing"),
        ("return x @ weight / x.shape[1] + bias", "averaged"),
    ],
    "dense_backward": [
        ("return dy @ weight.T, dy.T @ x, dy.sum(axis=0)", "dweight is transposed"),
        ("return dy @ weight.T, x.T @ dy / len(x), dy.sum(axis=0)", "dweight is divided by the batch"),
        ("return dy @ weight.T, x.T @ dy, dy.mean(axis=0)", "dbias is the mean"),
        ("return dy @ weight.T, x.T @ dy, dy", "dbias is dy itself"),
        ("return dy @ weight.T, np.outer(x[0], dy[0]), dy.sum(axis=0)", "first sample"),
        ("return dy @ weight.T, x.T @ dy, dy.sum(axis=1)", "summed over the outputs"),
        ("return len(x) * dy @ weight.T, x.T @ dy, dy.sum(axis=0)", "N = 4 times its true value"),
        ("return -dy @ weight.T, x.T @ dy, dy.sum(axis=0)", "wrong sign"),
        ("return x.T @ dy, dy.sum(axis=0), dy @ weight.T", "What is returned as dx is dweight"),
        ("return dy @ weight.T, x.T @ dy", "returns 2"),
        ("return dy @ weight.T, x.T @ dy, dy.sum(axis=0, keepdims=True)", "axis of length 1"),
        ("return (weight @ dy.T), x.T @ dy, dy.sum(axis=0)", "dx is transposed"),
        ("return dy @ weight.T, x.T @ dy, dy.sum(axis=0)", "should be None"),
    ],
    "softmax_cross_entropy": [
        ("return np.log(P[range(len(P)), labels]).mean(), P", "minus sign"),
        ("return -np.log(P[range(len(P)), labels]).sum(), P", "sum over the batch"),
        ("return -np.log(P[range(len(P)), labels]).sum() / P.shape[1], P", "003 §4"),
        ("return -np.log(P).mean(), P", "averaged over all classes"),
        ("return -np.log2(P[range(len(P)), labels]).mean(), P", "base 2"),
        ("return -np.log(P[range(len(P)), labels]).mean(), P", "small logits"),
        ("return -np.log(P[range(len(P)), labels]), P", "one by one"),
        ("return -np.log(P[range(len(P)), labels]).mean(), np.log(P)", "their logarithms"),
        ("return -np.log(P[range(len(P)), labels]).mean(), logits", "are the logits"),
        ("""
            z = logits - logits.max(axis=1, keepdims=True)
            log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
            return -log_p[range(len(z)), labels].mean(), np.exp(log_p)""", "label smoothing"),
    ],
    "softmax_cross_entropy_backward": [
        ("return probabilities - np.eye(probabilities.shape[1])[labels]", "N times its true value"),
        ("return (np.eye(probabilities.shape[1])[labels] - probabilities) / len(labels)", "sign is wrong"),
        ("return probabilities / len(labels)", "target is not taken off"),
        ("return (probabilities - np.eye(probabilities.shape[1])[labels]) / probabilities.shape[1]",
         "classes K"),
        ("return probabilities * (probabilities - np.eye(probabilities.shape[1])[labels]) / len(labels)",
         "004 §4.2"),
        ("probabilities[range(len(labels)), labels] -= 1\nreturn probabilities / len(labels)", "was changed"),
        ("return (probabilities - np.eye(probabilities.shape[1])[labels]) / len(labels)", "label smoothing"),
    ],
    "sgd_update": [
        ("velocity *= momentum\nvelocity -= lr * grad\nvalue += velocity", "lr is put into the velocity"),
        ("velocity *= momentum\nvelocity += lr * grad\nvalue -= lr * velocity", "applied twice"),
        ("velocity[:] = momentum * velocity + (1 - momentum) * grad\nvalue -= lr * velocity", "running mean"),
        ("velocity *= momentum\nvelocity += grad\nvalue += lr * velocity", "uphill"),
        ("velocity += grad\nvalue -= lr * velocity", "not damped"),
        ("value -= lr * grad", "velocity stays as it was"),
        ("value -= lr * velocity\nvelocity *= momentum\nvelocity += grad", "old velocity"),
        ("velocity *= momentum\nvelocity += grad\nvalue -= velocity", "learning rate is missing"),
        ("velocity *= momentum\nvelocity += grad\nvalue = value - lr * velocity", "weights stay"),
        ("velocity *= momentum\nvelocity += grad\nvalue -= lr * velocity", "without weight decay"),
        ("""
            grad = grad + weight_decay * value
            velocity *= momentum
            velocity += grad
            value -= lr * velocity""", "nesterov=True"),
        ("grad += weight_decay * value\nvelocity *= momentum\nvelocity += grad\nvalue -= lr * velocity",
         "grad was changed"),
        ("velocity = momentum * velocity + grad\nvalue = value - lr * velocity\nreturn value",
         "Nothing has changed"),
    ],
    "adam_update": [
        ("STEP\nvalue -= lr * mean / (np.sqrt(square) + epsilon)", "bias correction is forgotten"),
        ("STEP\nvalue -= lr * mean / mean_share / (np.sqrt(square) + epsilon)", "the square is not"),
        ("STEP\nvalue -= lr * mean / mean_share / np.sqrt(square / square_share + epsilon)", "under the root"),
        ("STEP\nvalue -= lr * mean / mean_share / (square / square_share + epsilon)", "root is missing"),
        ("STEP\nvalue += lr * mean / mean_share / (np.sqrt(square / square_share) + epsilon)", "uphill"),
        ("STEP\nvalue -= mean / mean_share / (np.sqrt(square / square_share) + epsilon)", "rate is missing"),
        ("STEP\nvalue -= lr * lr * mean / mean_share / (np.sqrt(square / square_share) + epsilon)", "twice"),
        ("mean += (1 - beta1) * grad\nmean *= beta1", "mean "),
        ("mean[:] = (1 - beta1) * mean + beta1 * grad", "exchanged"),
        ("mean[:] = beta1 * mean + (1 - beta1) * grad\nsquare[:] = beta2 * square + (1 - beta2) * grad",
         "not squared"),
        ("mean[:] = beta1 * mean + (1 - beta1) * grad\nsquare[:] = beta2 * square + grad**2", "goes in whole"),
        ("STEP\nvalue -= lr * (mean / mean_share) / (np.sqrt(square / square_share) + epsilon)",
         "without weight decay"),
    ],
    "dropout": [
        ("return x * KEEP, KEEP", "not scaled up"),
        ("return x * KEEP * (1 - rate), KEEP", "multiplied by 1 − rate"),
        ("return x * KEEP / (rate or 1), KEEP", "divided by rate"),
        ("keep = np.random.default_rng(seed).random(x.shape) < rate\nreturn x * keep * (1 / (1 - rate)), keep",
         "inverted"),
        ("keep = np.random.random(x.shape) >= rate\nreturn x * keep * (1 / (1 - rate)), keep", "The same seed"),
        ("keep = np.random.default_rng(0).random(x.shape) >= rate\nreturn x * keep * (1 / (1 - rate)), keep",
         "Every seed"),
        ("keep = np.broadcast_to(np.random.default_rng(seed).random(x.shape[-1]) >= rate, x.shape)\n"
         "return x * keep * (1 / (1 - rate)), keep", "Whole rows"),
        ("return x * KEEP * (1 / (1 - rate)), KEEP * (1 / (1 - rate))", "keep holds"),
        ("return x * KEEP * (1 / (1 - rate))", "should return 2"),
    ],
    "dropout_backward": [
        ("return dy * keep", "factor is missing"),
        ("return dy * ~keep / (1 - rate)", "inverted"),
        ("return dy / (1 - rate)", "mask is missing"),
        ("return dy", "dy itself"),
        ("return dy * keep * (1 - rate)", "multiplied by 1 − rate"),
        ("return dy * keep / rate", "divided by rate"),
        ("dy *= keep\nreturn dy / (1 - rate)", "dy was changed"),
    ],
    "im2col": [
        ("return COLUMNS.reshape(-1, *kernel, x.shape[3]).transpose(0, 3, 1, 2).reshape(len(COLUMNS), -1)",
         "(c, ky, kx)"),
        ("return COLUMNS.T", "matrix is transposed"),
        ("return ops.im2col(x, kernel, (1, 1), padding)", "stride is ignored"),
        ("return ops.im2col(x, kernel, stride, (0, 0))", "padding is ignored"),
        ("return ops.im2col(x, kernel, stride, padding)", "dilation is ignored"),
        ("return COLUMNS.reshape(-1, *kernel, x.shape[3])[:, ::-1, ::-1].reshape(COLUMNS.shape)", "flipped"),
        ("return COLUMNS.reshape(-1, *kernel, x.shape[3]).transpose(0, 2, 1, 3).reshape(COLUMNS.shape)",
         "column by column"),
        ("return COLUMNS.reshape(len(x), -1, COLUMNS.shape[1]).transpose(1, 0, 2).reshape(COLUMNS.shape)",
         "other order"),
        ("return COLUMNS.astype('float64')", "should be float32"),
        ("return COLUMNS[:-1]", "has shape"),
    ],
    "col2im": [
        ("return COL2IM(np.ndindex(*kernel), assign=True)", "+=, not ="),
        ("return COL2IM(reversed(list(np.ndindex(*kernel))), assign=True)", "+=, not ="),
        ("ones = COL2IM(np.ndindex(*kernel), of=np.ones_like(columns))\n"
         "return COL2IM(np.ndindex(*kernel)) / np.maximum(ones, 1)", "averaged"),
        ("return COL2IM(np.ndindex(*kernel), of=columns.reshape(-1, x_shape[3], *kernel).transpose(0, 2, 3, 1))",
         "(c, ky, kx)"),
        ("return COL2IM(np.ndindex(*kernel), of=columns.reshape(-1, *kernel, x_shape[3])[:, ::-1, ::-1])",
         "flipped"),
        ("return COL2IM(np.ndindex(*kernel), crop=False)", "still around dx"),
        ("return ops.col2im(columns, x_shape, kernel, stride[::-1], padding)", "strides are exchanged"),
        ("return ops.col2im(columns[:-1], x_shape, kernel, stride, padding, dilation)", "stops with an error"),
        ("return -ops.col2im(columns, x_shape, kernel, stride, padding, dilation)", "wrong sign"),
    ],
    "conv2d": [
        ("return ops.conv2d(x, weight[::-1, ::-1], bias, stride, padding)", "flipped"),
        ("return ops.conv2d(x, weight, None, stride, padding)", "bias is missing"),
        ("return ops.conv2d(x, weight, bias, (1, 1), padding)", "stride is ignored"),
        ("return ops.conv2d(x, weight, bias, stride, (0, 0))", "padding is ignored"),
        ("return ops.conv2d(x, weight, bias, stride, padding)", "dilation is ignored"),
        ("return np.stack([ops.conv2d(np.roll(x, -k, 3), weight[..., k:k+1], bias[k:k+1], stride, padding)[..., 0] "
         "for k in range(weight.shape[3])], 3)", "k + c"),
        ("X = im2col(x, weight.shape[:2], stride, padding)\n"
         "y = X @ weight.reshape(weight.shape[3], -1).T + bias\n"
         "return y.reshape(len(x), *output_size(x.shape[1:3], weight.shape[:2], stride, padding), -1)", "mixes up"),
        ("return ops.conv2d(x, weight[..., :1].repeat(weight.shape[3], 3), bias, stride, padding)",
         "first filter"),
        ("y = np.zeros((len(x), 4, 4, weight.shape[3]))\n"
         "for n, i, j, k in np.ndindex(*y.shape):\n"
         "    y[n, i, j, k] = sum(weight[a, b, c, 0] * x[n, i + a, j + b, k + c] "
         "for a, b, c in np.ndindex(*weight.shape[:3]))\n"
         "return y", "IndexError"),
        ("return ops.conv2d(x, weight, np.zeros(weight.shape[3]), stride, padding, 1, dilation) + bias.sum()",
         "All biases"),
        ("return ops.conv2d(x, weight, bias if bias is None else bias, stride, padding, 1, dilation)[..., :1]",
         "has shape"),
    ],
    "conv2d_backward": [
        ("return ops.conv2d_backward(dy, x, weight[::-1, ::-1], stride, padding)[0], DW, DB",
         "turned once too often"),
        ("return DX, DW[::-1, ::-1], DB", "dweight is flipped"),
        ("return DX, DW / len(x), DB", "dweight is divided by the batch"),
        ("return DX, DW, DB / len(x)", "dbias is averaged over the batch"),
        ("return DX, DW, dy.sum(axis=0)", "summed over the batch alone"),
        ("return DX, DW, dy.mean(axis=(0, 1, 2))", "mean over pictures and pixels"),
        ("return DX, ops.conv2d_backward(dy[:1], x[:1], weight, stride, padding)[1], DB", "first picture"),
        ("return DX, DW.reshape(-1, DW.shape[3]), DB", "is the matrix"),
        ("return DX, DW.reshape(-1, DW.shape[3]).T, DB", "dYᵀ·X"),
        ("return DX, DW, DB[None]", "axis of length 1"),
        ("return 2 * DX, DW, DB", "N = 2 times"),
        ("return DX, DB, DW", "What is returned as dweight is dbias"),
        ("return DX, DW, DB", "should be None"),
    ],
    "max_pool2d": [
        ("return POOL(np.mean)", "average pooling"),
        ("return POOL(np.min)", "smallest value"),
        ("return POOL(lambda w, axis: abs(w).max(axis))", "absolute"),
        ("return POOL(lambda w, axis: np.maximum(w.max(axis), 0))", "below 0 became 0"),
        ("return POOL(np.max, at=size)", "own size"),
        ("return POOL(np.max, outside=0)", "larger than any negative"),
        ("y, argmax = POOL(np.max)\nreturn y, argmax + 1", "from 1"),
        ("y, argmax = POOL(np.max)\nreturn y, argmax // size[1] + argmax % size[1] * size[0]",
         "column by column"),
        ("y, argmax = POOL(np.max)\nreturn argmax, y", "where the maximum was"),
        ("y, argmax = POOL(np.max, last=True)\nreturn y, argmax", "Of equal"),
        ("return POOL(np.max)[0]", "should return 2"),
        ("return POOL(np.max)", "should be None"),
    ],
    "max_pool2d_backward": [
        ("return ops.avg_pool2d_backward(dy, x_shape, size, stride, padding)", "spread evenly"),
        ("return ops.avg_pool2d_backward(dy, x_shape, size, stride, padding) * size[0] * size[1]",
         "whole gradient"),
        ("dx = np.zeros(x_shape)\n"
         "for n, i, j, c in np.ndindex(*dy.shape):\n"
         "    ky, kx = divmod(int(argmax[n, i, j, c]), size[1])\n"
         "    if padding == (0, 0):\n"
         "        dx[n, i * stride[0] + ky, j * stride[1] + kx, c] = dy[n, i, j, c]\n"
         "return dx if padding == (0, 0) else ops.max_pool2d_backward(dy, argmax, x_shape, size, stride, padding)",
         "add up, += and not ="),
        ("k = argmax % size[0] * size[1] + argmax // size[0]\n"
         "return ops.max_pool2d_backward(dy, k, x_shape, size, stride, padding)",
         "column by column"),
        ("return ops.max_pool2d_backward(np.ones_like(dy), argmax, x_shape, size, stride, padding)", "with 1"),
        ("return ops.max_pool2d_backward(dy, 0 * argmax, x_shape, size, stride, padding)", "first element"),
        ("return np.zeros(x_shape, dy.dtype)", "zero everywhere"),
        ("return ops.max_pool2d_backward(dy, argmax, x_shape, size, stride, (0, 0))", "stops with an error"),
    ],
    "batch_norm": [
        ("return (x - MEAN) / np.sqrt(VAR + epsilon), MEAN, VAR", "Neither weight nor bias"),
        ("return weight * (x - MEAN) / (VAR + epsilon) + bias, MEAN, VAR", "root is missing"),
        ("return weight * (x - MEAN) / (np.sqrt(VAR) + epsilon) + bias, MEAN, VAR", "added to the deviation"),
        ("m, v = x.mean(axis=(1, 2), keepdims=True), x.var(axis=(1, 2), keepdims=True)\n"
         "return weight * (x - m) / np.sqrt(v + epsilon) + bias, MEAN, VAR", "instance norm"),
        ("v = x.var(axis=(0, 1, 2), ddof=1)\n"
         "return weight * (x - MEAN) / np.sqrt(v + epsilon) + bias, MEAN, v", "M − 1"),
        ("return weight * (x - x.mean()) / np.sqrt(x.var() + epsilon) + bias, MEAN, VAR", "All channels"),
        ("return weight * (x - MEAN) / np.sqrt(VAR + epsilon) + bias, MEAN, np.sqrt(VAR)",
         "deviation, its root"),
        ("return weight * (x - MEAN) / np.sqrt(VAR + epsilon) + bias, VAR, MEAN",
         "What is returned as mean is variance"),
        ("v = (x * x).mean(axis=(0, 1, 2)) - MEAN**2\n"
         "return weight * (x - MEAN) / np.sqrt(v + epsilon) + bias, MEAN, v", "square of the mean"),
    ],
    "batch_norm_backward": [
        ("return weight / S * dy, DW, DB", "Only the first path"),
        ("return weight / S * (dy - X * DW / M), DW, DB", "through the mean is missing"),
        ("return weight / S * (dy - DB / M), DW, DB", "through the variance is missing"),
        ("return weight / S * (dy - DB - X * DW), DW, DB", "not divided by M"),
        ("return weight / S * (dy - DB / len(x) - X * DW / len(x)), DW, DB", "divided by N"),
        ("return (dy - DB / M - X * DW / M) / S, DW, DB", "weight is missing"),
        ("return weight / S * (dy - DB / M - X * DW / M), (dy * x).sum(axis=(0, 1, 2)), DB", "dweight uses x"),
        ("return weight / S * (dy - DB / M - X * DW / M), DW, DB / M", "dbias is a mean"),
        ("return weight / S * (dy - DB / M - X * DW / M), DB, DW", "What is returned as dweight is dbias"),
        ("return weight / S * (dy - DB / M - X * DW / M), DW, 2 * DB", "2 times its true value"),
    ],
}  # fmt: skip

BEGINNINGS: dict[str, str] = {  # what several of the wrong answers share: a word in capitals, and what makes it
    "softmax_cross_entropy": "P = np.exp(logits)\nP = P / P.sum(axis=1, keepdims=True)",
    "dropout": "KEEP = np.random.default_rng(seed).random(x.shape) >= rate",
    "im2col": "from minicnn import ops\nCOLUMNS = ops.im2col(x, kernel, stride, padding, dilation)",
    "col2im": """
        from minicnn import ops
        def COL2IM(offsets, of=columns, assign=False, crop=True):
            (top, bottom), (left, right) = pad_amounts(padding)
            n, h, w, c = x_shape
            oh, ow = output_size((h, w), spread(kernel, dilation), stride, padding)
            windows = of.reshape(n, oh, ow, *kernel, c)
            padded = np.zeros((n, top + h + bottom, left + w + right, c), columns.dtype)
            for ky, kx in offsets:
                rows, cols = window_slice((ky, kx), (oh, ow), stride, dilation)
                padded[:, rows, cols] = windows[:, :, :, ky, kx] + (0 if assign else padded[:, rows, cols])
            return padded[:, top : top + h, left : left + w] if crop else padded""",
    "conv2d": "from minicnn import ops",
    "conv2d_backward": """
        from minicnn import ops
        DX, DW, DB = ops.conv2d_backward(dy, x, weight, stride, padding, True, groups, dilation)""",
    "max_pool2d": """
        def POOL(of, outside=-np.inf, at=stride, last=False):
            n, c = x.shape[0], x.shape[3]
            outputs = output_size(x.shape[1:3], size, at, padding)
            padded = pad_image(x, padding, outside)
            slices = [window_slice((ky, kx), outputs, at) for ky in range(size[0]) for kx in range(size[1])]
            windows = np.stack([padded[:, rows, cols] for rows, cols in slices], axis=3)
            count = windows.shape[3]
            argmax = count - 1 - windows[:, :, :, ::-1].argmax(axis=3) if last else windows.argmax(axis=3)
            return of(windows, axis=3), argmax""",
    "max_pool2d_backward": "from minicnn import ops",
    "batch_norm": "MEAN, VAR = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))",
    "batch_norm_backward": """
        M, S = x[..., 0].size, np.sqrt(variance + epsilon)
        X = (x - mean) / S
        DW, DB = (dy * X).sum(axis=(0, 1, 2)), dy.sum(axis=(0, 1, 2))""",
    "adam_update": "",
}
STEP = "mean[:] = beta1 * mean + (1 - beta1) * grad\nsquare[:] = beta2 * square + (1 - beta2) * grad**2"
