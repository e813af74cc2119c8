"""RecBole's classes that models of our own derive from, with RecBole made ready first."""

from __future__ import annotations

from ckd_plugins.host.compat import anomaly_mode_kept, prepare

prepare()
with anomaly_mode_kept():
    from recbole.model.abstract_recommender import GeneralRecommender, SequentialRecommender
    from recbole.model.general_recommender.lightgcn import LightGCN
    from recbole.model.sequential_recommender.gru4rec import GRU4Rec
    from recbole.model.sequential_recommender.sasrec import SASRec

__all__ = ["GRU4Rec", "GeneralRecommender", "LightGCN", "SASRec", "SequentialRecommender"]
