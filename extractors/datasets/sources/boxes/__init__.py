"""Sources of pictures with boxes in them, as annotation tools write them."""
