"""Train cifar_cnn on CIFAR-10, with the training loop written out.

    python examples/06_cifar10.py [FOLDER] [--epochs N]

FOLDER holds train/ and test/ (or val/) with a folder a class; left out, it is the generated set `shapes`.
"""

import argparse

from minicnn import Adam, SoftmaxCrossEntropy, models
from minicnn.data import Loader, Resize, open_dataset
from minicnn.training.feeding import feed
from minicnn.training.normalization import Normalization


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default="shapes")
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()

    splits = open_dataset(arguments.data)
    held_out = splits.test if splits.test is not None else splits.validation
    batches = Loader(splits.train, batch_size=32, transform=Resize(32), shuffle=True, seed=0)
    unseen = Loader(held_out, batch_size=250, transform=Resize(32))
    normalization = Normalization()  # bytes to 0 … 1

    net = models.build("cifar_cnn", input_shape=(32, 32, 3), classes=len(splits.classes), seed=0)
    loss = SoftmaxCrossEntropy()
    optimizer = Adam(net.parameters(), lr=1e-3)
    for epoch in range(arguments.epochs):
        total = 0.0
        for x, labels in feed(batches, epoch, normalization):
            logits = net.forward(x, training=True)  # picture → logits
            total += float(loss.forward(logits, labels)) * len(x)  # logits → one number, in nats
            net.backward(loss.backward(), input_gradient=False)  # its gradient at every parameter
            optimizer.step()  # a step down that gradient
            optimizer.zero_grad()
        right = sum((net.forward(x).argmax(axis=1) == labels).sum() for x, labels in feed(unseen, 0, normalization))
        print(
            f"epoch {epoch + 1}: loss {total / len(splits.train):.4f} nats, "
            f"{right / len(held_out):.2%} of {len(held_out):,} unseen images right"
        )


if __name__ == "__main__":
    main()

# On CIFAR-10:
# epoch 1: loss 1.5346 nats, 52.06% of 10,000 unseen images right
# epoch 2: loss 1.1719 nats, 60.94% of 10,000 unseen images right
# epoch 3: loss 1.0323 nats, 64.03% of 10,000 unseen images right
