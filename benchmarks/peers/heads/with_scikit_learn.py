"""scikit-learn."""
# /// script
# dependencies = ["scikit-learn"]
# [tool.headstart]
# ways = ["linear", "ridge", "svm", "neighbours", "mlp"]
# ///

import warnings

import given
from given import kind, tell, x, x_test, y
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import LinearSVC

warnings.simplefilter("ignore")  # of iterations
if kind == "linear":
    made = LogisticRegression(C=given.STRENGTH, max_iter=2000, tol=1e-5)
elif kind == "ridge":
    made = RidgeClassifierCV(alphas=given.PENALTIES)
elif kind == "svm":
    chosen = GridSearchCV(LinearSVC(dual=False, tol=1e-3), {"C": given.STRENGTHS}, cv=3)
    made = CalibratedClassifierCV(chosen, cv=3, ensemble=False, method="temperature")
elif kind == "neighbours":
    made = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": given.COUNTS}, cv=5)
else:
    made = MLPClassifier((given.HIDDEN,), batch_size=given.BATCH, max_iter=given.EPOCHS, alpha=0)
before = Normalizer() if kind == "neighbours" else StandardScaler()
model = make_pipeline(before, made).fit(x, y)
predicted = model.predict(x_test)
linear = (made.coef_.T, made.intercept_) if kind == "linear" else ()
tell(predicted, *linear)
