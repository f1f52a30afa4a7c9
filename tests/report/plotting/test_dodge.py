from junkdna.report.plotting.dodge import dodge


def test_a_series_alone_stays_where_it_is():
    assert dodge([[16.0, 4.0], [3.0], []], 2.0) == [0.0, 0.0, 0.0]


def test_series_that_share_a_position_are_moved_apart_around_it():
    assert dodge([[8.0, 4.0], [4.0, 3.0], [9.0]], 2.0) == [-1.0, 1.0, 0.0]


def test_series_are_connected_through_others_and_the_order_stays():
    assert dodge([[1.0], [5.0], [1.0, 2.0], [2.0]], 3.0) == [-3.0, 0.0, 0.0, 3.0]


def test_positions_that_differ_by_rounding_only_are_the_same():
    assert dodge([[0.1 + 0.2], [0.3]], 2.0) == [-1.0, 1.0]
