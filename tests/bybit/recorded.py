"""Frames as Bybit's testnet sent them, and where the vector files are."""

from __future__ import annotations

from pathlib import Path

VECTORS = Path(__file__).parents[1] / "vectors" / "bybit"

TRADE_FRAME = """{"topic":"execution.linear","creationTime":1791270948690,"data":[{"category":"linear","symbol":"ETHUSDT","closedSize":"0","execFee":"0.01095836","execId":"85406bdb-e365-5031-b5f0-5d60da7ebaf6","execPrice":"2739.59","execQty":"0.01","execType":"Trade","execValue":"27.3959","feeRate":"0.0004","tradeIv":"","markIv":"","blockTradeId":"","markPrice":"2739.62","indexPrice":"","underlyingPrice":"","leavesQty":"0","orderId":"65d1cc50-3b63-4c52-8f31-60cf5bb82f5e","orderLinkId":"rec-stop-down","orderPrice":"2684.83","orderQty":"0.01","orderType":"Market","stopOrderType":"Stop","side":"Sell","execTime":"1791270948650","isLeverage":"0","isMaker":false,"seq":12078223981,"marketUnit":"","execPnl":"0","createType":"CreateByStopOrder","extraFees":[],"feeCurrency":"USDT"}]}"""  # noqa: E501

FUNDING_FRAME = """{"topic":"execution.linear","creationTime":1791273600209,"data":[{"category":"linear","symbol":"BTCUSDT","closedSize":"0","execFee":"0.0085907","execId":"e7a7a67a-1c62-42d9-aae4-5e06a9692f06","execPrice":"85906.96","execQty":"0.001","execType":"Funding","execValue":"85.90696","feeRate":"0.0001","tradeIv":"","markIv":"","blockTradeId":"","markPrice":"85903.58","indexPrice":"","underlyingPrice":"","leavesQty":"0","orderId":"e426053a-7800-47b8-8f03-f4f1d81bc385","orderLinkId":"","orderPrice":"0","orderQty":"0","orderType":"UNKNOWN","stopOrderType":"UNKNOWN","side":"Buy","execTime":"1791273600000","isLeverage":"0","isMaker":false,"seq":9688594499,"marketUnit":"","execPnl":"0","createType":"","extraFees":[],"feeCurrency":"USDT"}]}"""  # noqa: E501

ORDER_FRAME = """{"topic":"order.linear","creationTime":1791270738651,"data":[{"category":"linear","symbol":"BTCUSDT","orderId":"39bbc94a-2310-4324-9996-707881007fd5","orderLinkId":"rec-rest-1","blockTradeId":"","side":"Buy","positionIdx":0,"orderStatus":"New","cancelType":"UNKNOWN","rejectReason":"EC_NoError","timeInForce":"GTC","isLeverage":"","price":"77392.3","qty":"0.001","avgPrice":"0","leavesQty":"0.001","leavesValue":"77.3923","cumExecQty":"0","cumExecValue":"0","cumExecFee":"0","orderType":"Limit","stopOrderType":"","orderIv":"","triggerPrice":"","takeProfit":"","stopLoss":"","triggerBy":"","tpTriggerBy":"","slTriggerBy":"","triggerDirection":0,"placeType":"","lastPriceOnCreated":"85991.5","closeOnTrigger":false,"reduceOnly":false,"smpGroup":"106763425","smpType":"CancelMaker","smpOrderId":"","slLimitPrice":"0","tpLimitPrice":"0","tpslMode":"UNKNOWN","createType":"CreateByUser","marketUnit":"","createdTime":"1791270738610","updatedTime":"1791270738615","feeCurrency":"","closedPnl":"0","parentOrderLinkId":"","slippageTolerance":"0","slippageToleranceType":"UNKNOWN","cumFeeDetail":{},"rpiTakerAccess":false,"rpiMatchedQty":"0"}]}"""  # noqa: E501

#: FUNDING_FRAME's funding as the execution list answers it, rebuilt after the recorded
#: differences: other keys (execFeeV2; no category, isLeverage, execPnl), extraFees as text.
FUNDING_ANSWER = """{"retCode":0,"retMsg":"OK","result":{"nextPageCursor":"1791273600000%3A11694%3A0%2C1791273600000%3A11694%3A0","category":"linear","list":[{"symbol":"BTCUSDT","orderType":"UNKNOWN","underlyingPrice":"","orderLinkId":"","orderId":"e426053a-7800-47b8-8f03-f4f1d81bc385","stopOrderType":"UNKNOWN","execTime":"1791273600000","feeCurrency":"USDT","createType":"","feeRate":"0.0001","tradeIv":"","blockTradeId":"","markPrice":"85903.58","execPrice":"85906.96","markIv":"","orderQty":"0","orderPrice":"0","execValue":"85.90696","closedSize":"0","execType":"Funding","seq":9688594499,"side":"Buy","indexPrice":"","leavesQty":"0","isMaker":false,"execFee":"0.0085907","execFeeV2":"","extraFees":"","execId":"e7a7a67a-1c62-42d9-aae4-5e06a9692f06","marketUnit":"","execQty":"0.001"}]},"retExtInfo":{},"time":1791273700000}"""  # noqa: E501


def vector(name: str) -> bytes:
    return (VECTORS / name).read_bytes()
