"""torchmetrics under the name torch, against scikit-learn, SciPy and sums by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics
from under_the_name import need, shown

need("torchmetrics")

rng = np.random.default_rng(0)
SCORES = rng.random((60, 4))
SCORES /= SCORES.sum(1, keepdims=True)
LABELS = rng.integers(0, 4, 60)
CHANCES, ANSWERS = rng.random(60), rng.integers(0, 2, 60)
A, B = rng.random(60) + 0.1, rng.random(60) + 0.1
QUERIES = np.repeat(np.arange(6), 10)
IMAGE = rng.random((2, 3, 24, 24))
NOISY = np.clip(IMAGE + 0.1 * rng.standard_normal(IMAGE.shape), 0, 1)
SENTENCES = (
    ["the cat sat on the mat", "a quick brown fox"],
    ["the cat is on the mat", "the quick brown fox jumps"],
)

PROGRAM = """
import torchmetrics as tm
from torchmetrics import classification as C, regression as R, retrieval
scores, labels = torch.tensor(scores), torch.tensor(labels)
chances, answers = torch.tensor(chances), torch.tensor(answers)
a, b, queries = torch.tensor(a), torch.tensor(b), torch.tensor(queries)

def measure(name, metric, *batch, **more):
    "In two batches, as programs do."
    half = len(batch[0]) // 2
    for part in (slice(0, half), slice(half, None)):
        metric.update(*(x[part] for x in batch), **{k: v[part] for k, v in more.items()})
    show(name, metric.compute())

for average in ("micro", "macro", "weighted"):
    for kind in ("Accuracy", "Precision", "Recall", "F1Score"):
        metric = getattr(C, f"Multiclass{kind}")(4, average=average)
        measure(f"{kind} {average}", metric, scores, labels)
measure("confusion", C.MulticlassConfusionMatrix(4), scores, labels)
measure("kappa", C.MulticlassCohenKappa(4), scores, labels)
measure("jaccard", C.MulticlassJaccardIndex(4), scores, labels)
measure("top 2", C.MulticlassAccuracy(4, top_k=2, average="micro"), scores, labels)
measure("average precision", C.BinaryAveragePrecision(), chances, answers)
measure("roc", C.BinaryROC(), chances, answers)
measure("hinge", C.MulticlassHingeLoss(4), scores, labels)
for name in AREAS:
    measure(name, getattr(C, name)(4) if "class" in name else getattr(C, name)(), *(
        (scores, labels) if "class" in name else (chances, answers)))

for name in ("MeanSquaredError", "MeanAbsoluteError", "R2Score", "ExplainedVariance",
             "PearsonCorrCoef", "SpearmanCorrCoef", "KendallRankCorrCoef", "MeanSquaredLogError",
             "MeanAbsolutePercentageError", "CosineSimilarity"):
    x, y = (a[:, None], b[:, None]) if name == "CosineSimilarity" else (a, b)
    measure(name, getattr(R, name)(), x, y)

for name in ("RetrievalMAP", "RetrievalMRR", "RetrievalPrecision", "RetrievalRecall",
             "RetrievalHitRate"):
    top = {} if name == "RetrievalMAP" or name == "RetrievalMRR" else {"top_k": 3}
    measure(name, getattr(retrieval, name)(**top), chances, answers, indexes=queries)

image, noisy = torch.tensor(image), torch.tensor(noisy)
show("psnr", tm.image.PeakSignalNoiseRatio(data_range=1.0)(noisy, image))
show("ssim", tm.image.StructuralSimilarityIndexMeasure(data_range=1.0)(noisy, image))
show("words", tm.text.WordErrorRate()(*sentences))
show("letters", tm.text.CharErrorRate()(*sentences))
show("bleu", tm.text.BLEUScore(n_gram=2)(sentences[0][:1], [[sentences[1][0]]]))
show("perplexity", tm.text.Perplexity()(scores.reshape(6, 10, 4), labels.reshape(6, 10)))

both = tm.MetricCollection([C.MulticlassAccuracy(4, average="micro"), C.MulticlassF1Score(4)])
both.update(scores, labels)
show("collection", {k: v.item() for k, v in both.compute().items()})
tracker = tm.MetricTracker(C.BinaryAccuracy())
for shift in range(3):
    tracker.increment()
    tracker.update(chances.roll(shift), answers)
show("tracker", tracker.compute_all())
import copy, pickle
metric = C.MulticlassAccuracy(4, average="micro")
metric.update(scores, labels)
show("kept", [m.compute().item() for m in (metric, copy.deepcopy(metric),
                                           pickle.loads(pickle.dumps(metric)))])
metric.persistent(True)
show("state", sorted(metric.state_dict()))
metric.reset()
show("reset", metric.update_count)
"""
AREAS = ["BinaryAUROC", "MulticlassAUROC", "BinaryMatthewsCorrCoef", "MulticlassMatthewsCorrCoef"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return shown(
        PROGRAM.replace("AREAS", repr(AREAS)),
        tmp_path_factory.mktemp("torchmetrics"),
        scores=SCORES.tolist(),
        labels=LABELS.tolist(),
        chances=CHANCES.tolist(),
        answers=ANSWERS.tolist(),
        a=A.tolist(),
        b=B.tolist(),
        queries=QUERIES.tolist(),
        image=IMAGE.tolist(),
        noisy=NOISY.tolist(),
        sentences=SENTENCES,
    )


def near(value):
    return pytest.approx(value, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
def test_classification(results, average):
    guesses = SCORES.argmax(1)
    for kind, score in (
        ("Precision", metrics.precision_score),
        ("Recall", metrics.recall_score),
        ("F1Score", metrics.f1_score),
    ):
        assert results[f"{kind} {average}"] == near(score(LABELS, guesses, average=average))
    expected = metrics.recall_score(LABELS, guesses, average=average)
    assert results[f"Accuracy {average}"] == near(expected)


def test_other_scores_of_classes(results):
    guesses = SCORES.argmax(1)
    assert results["confusion"] == metrics.confusion_matrix(LABELS, guesses).tolist()
    assert results["kappa"] == near(metrics.cohen_kappa_score(LABELS, guesses))
    assert results["jaccard"] == near(metrics.jaccard_score(LABELS, guesses, average="macro"))
    assert results["top 2"] == near(metrics.top_k_accuracy_score(LABELS, SCORES, k=2))
    expected = metrics.average_precision_score(ANSWERS, CHANCES)
    assert results["average precision"] == near(expected)
    false, true, _ = metrics.roc_curve(ANSWERS, CHANCES, drop_intermediate=False)
    assert results["roc"][0] == near(false.tolist()) and results["roc"][1] == near(true.tolist())


def test_areas_and_correlations(results):
    assert results["BinaryAUROC"] == near(metrics.roc_auc_score(ANSWERS, CHANCES))
    expected = metrics.roc_auc_score(LABELS, SCORES, multi_class="ovr")
    assert results["MulticlassAUROC"] == near(expected)
    expected = metrics.matthews_corrcoef(ANSWERS, CHANCES > 0.5)
    assert results["BinaryMatthewsCorrCoef"] == near(expected)
    expected = metrics.matthews_corrcoef(LABELS, SCORES.argmax(1))
    assert results["MulticlassMatthewsCorrCoef"] == near(expected)


def test_regression(results):
    # torchmetrics takes the prediction first, scikit-learn the truth.
    assert results["MeanSquaredError"] == near(metrics.mean_squared_error(B, A))
    assert results["MeanAbsoluteError"] == near(metrics.mean_absolute_error(B, A))
    assert results["R2Score"] == near(metrics.r2_score(B, A))
    assert results["ExplainedVariance"] == near(metrics.explained_variance_score(B, A))
    assert results["MeanSquaredLogError"] == near(metrics.mean_squared_log_error(B, A))
    expected = metrics.mean_absolute_percentage_error(B, A)
    assert results["MeanAbsolutePercentageError"] == near(expected)
    assert results["PearsonCorrCoef"] == near(stats.pearsonr(A, B)[0])
    assert results["SpearmanCorrCoef"] == near(stats.spearmanr(A, B)[0])
    assert results["KendallRankCorrCoef"] == near(stats.kendalltau(A, B)[0])


def test_retrieval(results):
    groups = [(CHANCES[QUERIES == q], ANSWERS[QUERIES == q]) for q in range(6)]
    ranked = [answers[np.argsort(-chances)] for chances, answers in groups]
    means = {
        "RetrievalMAP": [metrics.average_precision_score(b, a) for a, b in groups],
        "RetrievalMRR": [1 / (1 + np.argmax(r)) for r in ranked],
        "RetrievalPrecision": [r[:3].mean() for r in ranked],
        "RetrievalRecall": [r[:3].sum() / r.sum() for r in ranked],
        "RetrievalHitRate": [float(r[:3].any()) for r in ranked],
    }
    for name, values in means.items():
        assert results[name] == near(np.mean(values)), name


def test_images(results):
    assert results["psnr"] == near(10 * np.log10(1 / np.mean((IMAGE - NOISY) ** 2)))
    # Structural similarity by its formula, under Gaussian windows of 11 x 11 without a border.
    places = np.arange(11) - 5
    window = np.exp(-(places**2) / (2 * 1.5**2))
    window /= window.sum()

    def blurred(x):
        for axis in (2, 3):
            x = np.apply_along_axis(np.convolve, axis, x, window, "valid")
        return x

    x, y = blurred(NOISY), blurred(IMAGE)
    xx, yy = blurred(NOISY**2) - x**2, blurred(IMAGE**2) - y**2
    xy = blurred(NOISY * IMAGE) - x * y
    c, d = 0.01**2, 0.03**2
    similarity = (2 * x * y + c) * (2 * xy + d) / ((x**2 + y**2 + c) * (xx + yy + d))
    assert results["ssim"] == pytest.approx(similarity.mean(), rel=2e-2)


def test_text(results):
    # One word of six replaced; "a" for "the", and "jumps" is missing: 3 of 11.
    assert results["words"] == near(3 / 11)
    letters = sum(map(distance, *SENTENCES)) / sum(map(len, SENTENCES[1]))
    assert results["letters"] == near(letters)
    # Five of six words and three of five pairs are right.
    assert results["bleu"] == near(np.sqrt(5 / 6 * 3 / 5))
    chosen = np.log(SCORES_SOFTMAX[np.arange(60), LABELS])
    assert results["perplexity"] == near(np.exp(-chosen.mean()))


# torchmetrics normalises what it is given.
SCORES_SOFTMAX = np.exp(SCORES) / np.exp(SCORES).sum(1, keepdims=True)


def distance(a, b):
    """The fewest letters to change, add or leave out."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def test_metrics_together_and_kept(results):
    guesses = SCORES.argmax(1)
    right = (guesses == LABELS).mean()
    assert results["collection"] == {
        "MulticlassAccuracy": near(right),
        "MulticlassF1Score": near(metrics.f1_score(LABELS, guesses, average="macro")),
    }
    rolled = [((np.roll(CHANCES, i) > 0.5) == ANSWERS).mean() for i in range(3)]
    assert results["tracker"] == near(rolled)
    assert results["kept"] == near([right] * 3) and results["reset"] == 0
    assert results["state"] == ["fn", "fp", "tn", "tp"]
