from tests.pages.conftest import page as page
