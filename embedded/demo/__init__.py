"""The demo: made-up children, feeds and phones, and one page on which a newcomer sees an event become an accepted page."""
