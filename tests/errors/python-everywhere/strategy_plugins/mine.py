class StrategyModule: pass
